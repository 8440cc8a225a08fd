"""Integration events and state of documents: what happens to them and how long they are, never a word of them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.kernel import Count, Length, PublicEvent, PublicState, keep_private
from adapters.integration_events.mapping import From
from domain.content.document import Document, Status
from domain.content.roles import ShareRole
from domain.kernel import PartyKind

DocumentId = Annotated[UUID, Meta(description="Id of the document.")]
OwnerKind = Annotated[PartyKind, Meta(description="Whether a user or a team owns the document.")]
OwnerId = Annotated[UUID, Meta(description="Id of the user or team that owns the document.")]
TitleLength = Annotated[Count, Meta(description="Number of characters of the title.")]
ContentLength = Annotated[Count, Meta(description="Number of characters of the content.")]
Number = Annotated[int, Meta(ge=1)]
Revision = Annotated[
    Number, Meta(description="The number of saves, the creation included; over HTTP the document's `version`.")
]
NamedTeamId = Annotated[UUID, Meta(description="Id of the team.")]
Role = Annotated[ShareRole, Meta(description="The role that the share gives.")]


class DocumentEvent(PublicEvent):
    """Base of the events of a document."""

    document_id: Annotated[DocumentId, From("originator_id")]


class DocumentCreated(DocumentEvent, of=Document.Created):
    """A user created a document, as a draft."""

    NAME = "document.created"
    owner_kind: OwnerKind
    owner_id: OwnerId
    title_length: TitleLength
    content_length: ContentLength


class DocumentSaved(DocumentEvent, of=Document.Saved):
    """A document was saved: title, content or status changed, or several of them."""

    NAME = "document.saved"
    revision: Revision
    title_length: Annotated[Length, Meta(description="Number of characters of the new title; null if the title stays.")]
    content_length: Annotated[
        Length, Meta(description="Number of characters of the new content; null if the content stays.")
    ]
    characters_inserted: Annotated[
        Count, Meta(description="Number of characters inserted into the content."), From("inserted")
    ]
    characters_deleted: Annotated[
        Count, Meta(description="Number of characters deleted from the content."), From("deleted")
    ]
    status: Annotated[Status | None, Meta(description="The new status; null if the status stays.")]
    restored_revision: Annotated[
        Number | None, Meta(description="The revision whose title and content were restored; null if none was.")
    ]


class DocumentTrashed(DocumentEvent, of=Document.Trashed):
    """A document was moved to the trash."""

    NAME = "document.trashed"


class DocumentRestoredFromTrash(DocumentEvent, of=Document.RestoredFromTrash):
    """A document was restored from the trash."""

    NAME = "document.restored_from_trash"


class DocumentTagged(DocumentEvent, of=Document.Tagged):
    """The tags of a document changed."""

    NAME = "document.tagged"


class DocumentSharedWithTeam(DocumentEvent, of=Document.SharedWithTeam):
    """A document was lent to a team of its owner."""

    NAME = "document.shared_with_team"
    FOR_MANAGERS = True
    team_id: NamedTeamId
    role: Role


class DocumentTeamShareChanged(DocumentEvent, of=Document.TeamShareChanged):
    """The role of a team that a document is lent to changed."""

    NAME = "document.team_share_changed"
    FOR_MANAGERS = True
    team_id: NamedTeamId
    role: Role


class DocumentTeamShareRevoked(DocumentEvent, of=Document.TeamShareRevoked):
    """A document was taken back from a team."""

    NAME = "document.team_share_revoked"
    FOR_MANAGERS = True
    team_id: NamedTeamId


class DocumentOwnershipOffered(DocumentEvent, of=Document.OwnershipOffered):
    """A document was offered to an email address, whose holder may become its owner."""

    NAME = "document.ownership_offered"
    FOR_MANAGERS = True
    expires_at: Annotated[datetime, Meta(tz=True, description="The time until which the offer can be accepted.")]


class DocumentOwnershipOfferedToTeam(DocumentEvent, of=Document.OwnershipOfferedToTeam):
    """A document was offered to a team, which may become its owner."""

    NAME = "document.ownership_offered_to_team"
    FOR_MANAGERS = True
    team_id: NamedTeamId
    expires_at: Annotated[datetime, Meta(tz=True, description="The time until which the offer can be accepted.")]


class DocumentOwnershipOfferDeclined(DocumentEvent, of=Document.OwnershipOfferDeclined):
    """The person to whom a document was offered did not want to become its owner."""

    NAME = "document.ownership_offer_declined"
    FOR_MANAGERS = True


class DocumentOwnershipOfferWithdrawn(DocumentEvent, of=Document.OwnershipOfferWithdrawn):
    """The offer of a document ended: it was taken back, or the document was moved to the trash."""

    NAME = "document.ownership_offer_withdrawn"
    FOR_MANAGERS = True


class DocumentOwnershipTransferred(DocumentEvent, of=Document.OwnershipTransferred):
    """A document has another owner, who accepted it."""

    NAME = "document.ownership_transferred"
    former_owner_kind: Annotated[PartyKind, Meta(description="Whether a user or a team owned the document.")]
    former_owner_id: Annotated[UUID, Meta(description="Id of the user or team that owned the document.")]
    owner_kind: OwnerKind
    owner_id: OwnerId


class DocumentErased(DocumentEvent, of=Document.Erased):
    """A document was erased: all its titles and texts are gone."""

    NAME = "document.erased"


class DocumentShared(DocumentEvent, of=Document.Shared):
    """A document was shared with an email address."""

    NAME = "document.shared"
    FOR_MANAGERS = True
    role: Role


class DocumentShareChanged(DocumentEvent, of=Document.ShareChanged):
    """The role of a share changed."""

    NAME = "document.share_changed"
    FOR_MANAGERS = True
    role: Role


class DocumentShareRevoked(DocumentEvent, of=Document.ShareRevoked):
    """A share of a document was revoked by the owner, or given back by its holder."""

    NAME = "document.share_revoked"
    FOR_MANAGERS = True


keep_private(Document.ShareBound, "it says which user holds an email address that the owner knows")
keep_private(Document.Filed, "how a person sorts documents concerns no other person")

for event in (Document.VersionNamed, Document.VersionUnnamed):
    keep_private(event, "a name is a note of the people who work with a document, and changes nothing of it")


def is_trashed(document: Document) -> bool:
    """Whether the document is in the trash."""
    return document.trashed_at is not None


def count_shares(document: Document) -> int:
    """The number of addresses with access."""
    return len(document.shares)


class DocumentState(PublicState, of=Document):
    """A document, in the trash or not. An erased document has no state."""

    NAME = "document.state"
    document_id: Annotated[DocumentId, From("id")]
    owner_kind: OwnerKind
    owner_id: OwnerId
    revision: Revision
    status: Annotated[Status, Meta(description="Whether the document is a draft, published or archived.")]
    trashed: Annotated[bool, Meta(description="Whether the document is in the trash."), From(is_trashed)]
    title_length: TitleLength
    content_length: ContentLength
    shares: Annotated[
        Count, Meta(description="Number of email addresses with which the document is shared."), From(count_shares)
    ]

    @staticmethod
    def is_gone(document: Document) -> bool:
        """Whether the document is erased."""
        return document.erased
