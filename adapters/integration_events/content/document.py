"""Integration events and state of documents: what happens to them and how long they are, never a word of them."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.identity.user import UserId
from adapters.integration_events.kernel import Count, Length, PublicEvent, PublicState, length
from adapters.integration_events.mapping import From
from domain.content.document import Document, ShareRole, Status
from domain.kernel import ERASED

HasTitle = Document | Document.Created | Document.Retitled | Document.RestoredToVersion
HasContent = Document | Document.Created
HasDelta = Document.Edited | Document.RestoredToVersion


def title_length(source: HasTitle) -> int | None:
    """Characters of the title; None once it is erased."""
    return length(source.title)


def content_length(source: HasContent) -> int | None:
    """Characters of the content; None once it is erased."""
    return length(source.content)


def inserted(event: HasDelta) -> int | None:
    """Characters that a change inserts; None once it is erased."""
    return None if is_erased(event) else sum([len(step) for step in event.delta if isinstance(step, str)])


def deleted(event: HasDelta) -> int | None:
    """Characters that a change deletes; None once it is erased."""
    return None if is_erased(event) else -sum([step for step in event.delta if isinstance(step, int) and step < 0])


def is_erased(event: HasDelta) -> bool:
    """Whether the change is erased: its delta then reads as one without steps, which no `Edited` has otherwise."""
    return event.title == ERASED if isinstance(event, Document.RestoredToVersion) else not event.delta


DocumentId = Annotated[UUID, Meta(description="Id of the document.")]
Owner = Annotated[UserId, Meta(description="Id of the user who owns the document.")]
TitleLength = Annotated[
    Length, Meta(description="Number of characters of the title; null if the title is erased."), From(title_length)
]
ContentLength = Annotated[
    Length,
    Meta(description="Number of characters of the content; null if the content is erased."),
    From(content_length),
]
InsertedCount = Annotated[
    Length, Meta(description="Number of characters inserted; null if the change is erased."), From(inserted)
]
DeletedCount = Annotated[
    Length, Meta(description="Number of characters deleted; null if the change is erased."), From(deleted)
]
Role = Annotated[ShareRole, Meta(description="The role that the share gives.")]


class DocumentEvent(PublicEvent):
    """Base of the events of a document."""

    document_id: Annotated[DocumentId, From("originator_id")]


class DocumentCreated(DocumentEvent, of=Document.Created):
    """A user created a document, as a draft."""

    NAME = "document.created"
    owner_id: Owner
    title_length: TitleLength
    content_length: ContentLength


class DocumentRetitled(DocumentEvent, of=Document.Retitled):
    """The title of a document changed."""

    NAME = "document.retitled"
    title_length: TitleLength


class DocumentEdited(DocumentEvent, of=Document.Edited):
    """The content of a document changed."""

    NAME = "document.edited"
    characters_inserted: InsertedCount
    characters_deleted: DeletedCount


class DocumentPublished(DocumentEvent, of=Document.Published):
    """A document was published. Before, it was a draft or archived."""

    NAME = "document.published"


class DocumentArchived(DocumentEvent, of=Document.Archived):
    """A document was archived: it is read-only from now on."""

    NAME = "document.archived"


class DocumentTrashed(DocumentEvent, of=Document.Trashed):
    """A document was moved to the trash."""

    NAME = "document.trashed"


class DocumentRestoredFromTrash(DocumentEvent, of=Document.RestoredFromTrash):
    """A document was restored from the trash."""

    NAME = "document.restored_from_trash"


class DocumentRestoredToVersion(DocumentEvent, of=Document.RestoredToVersion):
    """The title and the content of an earlier version of a document were restored."""

    NAME = "document.restored_to_version"
    restored_version: Annotated[int, Meta(ge=1, description="The version whose title and content were restored.")]
    title_length: TitleLength
    characters_inserted: InsertedCount
    characters_deleted: DeletedCount


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
    """A share of a document was revoked."""

    NAME = "document.share_revoked"
    FOR_MANAGERS = True


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
    owner_id: Owner
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
