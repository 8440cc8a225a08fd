"""Integration events and state of documents: what happens to them and how long they are, never a word of them."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.identity.user import UserId
from adapters.integration_events.kernel import Count, Length, PublicEvent, PublicState, length
from adapters.integration_events.mapping import From
from domain.content.document import Document, ShareRole, Status
from domain.kernel import ERASED

Titled = Document | Document.Created | Document.Retitled | Document.RestoredToVersion
Written = Document | Document.Created
Changed = Document.Edited | Document.RestoredToVersion


def title_length(source: Titled) -> int | None:
    """Characters of the title; None once it is erased."""
    return length(source.title)


def content_length(source: Written) -> int | None:
    """Characters of the content; None once it is erased."""
    return length(source.content)


def inserted(event: Changed) -> int | None:
    """Characters that a change inserts; None once it is erased."""
    return None if is_erased(event) else sum([len(step) for step in event.delta if isinstance(step, str)])


def deleted(event: Changed) -> int | None:
    """Characters that a change deletes; None once it is erased."""
    return None if is_erased(event) else -sum([step for step in event.delta if isinstance(step, int) and step < 0])


def is_erased(event: Changed) -> bool:
    """Whether the change is erased: its delta then reads as one without steps, which no `Edited` has otherwise."""
    return event.title == ERASED if isinstance(event, Document.RestoredToVersion) else not event.delta


DocumentId = Annotated[UUID, Meta(description="The document.")]
Owner = Annotated[UserId, Meta(description="The user who owns it.")]
TitleLength = Annotated[
    Length, Meta(description="Characters of the title; null once it is forgotten."), From(title_length)
]
ContentLength = Annotated[
    Length, Meta(description="Characters of the content; null once it is forgotten."), From(content_length)
]
Inserted = Annotated[
    Length, Meta(description="Characters inserted; null once the change is forgotten."), From(inserted)
]
Deleted = Annotated[Length, Meta(description="Characters deleted; null once the change is forgotten."), From(deleted)]
Role = Annotated[ShareRole, Meta(description="What they may do with it.")]


class DocumentEvent(PublicEvent):
    """What happened to a document."""

    document_id: Annotated[DocumentId, From("originator_id")]


class DocumentCreated(DocumentEvent, of=Document.Created):
    """A user wrote a document, a draft."""

    NAME = "document.created"
    owner_id: Owner
    title_length: TitleLength
    content_length: ContentLength


class DocumentRetitled(DocumentEvent, of=Document.Retitled):
    """A document got another title."""

    NAME = "document.retitled"
    title_length: TitleLength


class DocumentEdited(DocumentEvent, of=Document.Edited):
    """A document's content changed."""

    NAME = "document.edited"
    characters_inserted: Inserted
    characters_deleted: Deleted


class DocumentPublished(DocumentEvent, of=Document.Published):
    """A document was published, out of the drafts or out of the archive."""

    NAME = "document.published"


class DocumentArchived(DocumentEvent, of=Document.Archived):
    """A document was archived, hence is read-only."""

    NAME = "document.archived"


class DocumentTrashed(DocumentEvent, of=Document.Trashed):
    """A document was put into the trash."""

    NAME = "document.trashed"


class DocumentRestoredFromTrash(DocumentEvent, of=Document.RestoredFromTrash):
    """A document was taken out of the trash."""

    NAME = "document.restored_from_trash"


class DocumentRestoredToVersion(DocumentEvent, of=Document.RestoredToVersion):
    """A document got back the title and the content of an earlier version."""

    NAME = "document.restored_to_version"
    restored_version: Annotated[int, Meta(ge=1, description="The version it is like again.")]
    title_length: TitleLength
    characters_inserted: Inserted
    characters_deleted: Deleted


class DocumentShared(DocumentEvent, of=Document.Shared):
    """A document was shared with somebody."""

    NAME = "document.shared"
    FOR_MANAGERS = True
    role: Role


class DocumentShareChanged(DocumentEvent, of=Document.ShareChanged):
    """Somebody with whom a document is shared got another role."""

    NAME = "document.share_changed"
    FOR_MANAGERS = True
    role: Role


class DocumentShareRevoked(DocumentEvent, of=Document.ShareRevoked):
    """A document is no longer shared with somebody."""

    NAME = "document.share_revoked"
    FOR_MANAGERS = True


def is_trashed(document: Document) -> bool:
    """Whether the document is in the trash."""
    return document.trashed_at is not None


def count_shares(document: Document) -> int:
    """The number of addresses with access."""
    return len(document.shares)


class DocumentState(PublicState, of=Document):
    """A document, in the trash or not. There is none once it is erased."""

    NAME = "document.state"
    document_id: Annotated[DocumentId, From("id")]
    owner_id: Owner
    status: Annotated[Status, Meta(description="Whether it is published or archived.")]
    trashed: Annotated[bool, Meta(description="Whether it is in the trash."), From(is_trashed)]
    title_length: TitleLength
    content_length: ContentLength
    shares: Annotated[Count, Meta(description="With how many addresses it is shared."), From(count_shares)]

    @staticmethod
    def is_gone(document: Document) -> bool:
        """Whether the document is erased."""
        return document.title == document.content == ERASED
