"""What is published of documents: what becomes of them and how long they are, never a word of them."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta

from adapters.integration_events.identity.user import UserId
from adapters.integration_events.kernel import (
    Count,
    Length,
    PublicEvent,
    PublicState,
    age,
    length,
    moment,
    publishes,
    publishes_state,
)
from domain.content.delta import Delta
from domain.content.document import Document, ShareRole, Status
from domain.kernel import ERASED

DocumentId = Annotated[UUID, Meta(description="The document.")]
Owner = Annotated[UserId, Meta(description="The user who owns it.")]
TitleLength = Annotated[Length, Meta(description="Characters of the title; null once it is forgotten.")]
ContentLength = Annotated[Length, Meta(description="Characters of the content; null once it is forgotten.")]
Inserted = Annotated[Length, Meta(description="Characters inserted; null once the change is forgotten.")]
Deleted = Annotated[Length, Meta(description="Characters deleted; null once the change is forgotten.")]
Role = Annotated[ShareRole, Meta(description="What they may do with it.")]


class DocumentEvent(PublicEvent, frozen=True, kw_only=True):
    """What happened to a document."""

    document_id: DocumentId


class DocumentCreated(DocumentEvent, frozen=True, kw_only=True):
    """A user wrote a document, a draft."""

    NAME = "document.created"
    owner_id: Owner
    title_length: TitleLength
    content_length: ContentLength


class DocumentRetitled(DocumentEvent, frozen=True, kw_only=True):
    """A document got another title."""

    NAME = "document.retitled"
    title_length: TitleLength


class DocumentEdited(DocumentEvent, frozen=True, kw_only=True):
    """A document's content changed."""

    NAME = "document.edited"
    characters_inserted: Inserted
    characters_deleted: Deleted


class DocumentPublished(DocumentEvent, frozen=True, kw_only=True):
    """A document was published, out of the drafts or out of the archive."""

    NAME = "document.published"


class DocumentArchived(DocumentEvent, frozen=True, kw_only=True):
    """A document was archived, hence is read-only."""

    NAME = "document.archived"


class DocumentTrashed(DocumentEvent, frozen=True, kw_only=True):
    """A document was put into the trash."""

    NAME = "document.trashed"


class DocumentRestoredFromTrash(DocumentEvent, frozen=True, kw_only=True):
    """A document was taken out of the trash."""

    NAME = "document.restored_from_trash"


class DocumentRestoredToVersion(DocumentEvent, frozen=True, kw_only=True):
    """A document got back the title and the content of an earlier version."""

    NAME = "document.restored_to_version"
    restored_version: Annotated[int, Meta(ge=1, description="The version it is like again.")]
    title_length: TitleLength
    characters_inserted: Inserted
    characters_deleted: Deleted


class DocumentShared(DocumentEvent, frozen=True, kw_only=True):
    """A document was shared with somebody."""

    NAME = "document.shared"
    FOR_MANAGERS = True
    role: Role


class DocumentShareChanged(DocumentEvent, frozen=True, kw_only=True):
    """Somebody with whom a document is shared got another role."""

    NAME = "document.share_changed"
    FOR_MANAGERS = True
    role: Role


class DocumentShareRevoked(DocumentEvent, frozen=True, kw_only=True):
    """A document is no longer shared with somebody."""

    NAME = "document.share_revoked"
    FOR_MANAGERS = True


class DocumentState(PublicState, frozen=True, kw_only=True):
    """A document, in the trash or not. There is none once it is erased."""

    NAME = "document.state"
    document_id: DocumentId
    owner_id: Owner
    status: Annotated[Status, Meta(description="Whether it is published or archived.")]
    trashed: Annotated[bool, Meta(description="Whether it is in the trash.")]
    title_length: TitleLength
    content_length: ContentLength
    shares: Annotated[Count, Meta(description="With how many addresses it is shared.")]


def _about(event: Any) -> dict[str, Any]:
    return {"document_id": event.originator_id, **moment(event)}


def _extent(steps: Delta, forgotten: bool) -> dict[str, Any]:
    """How much a change inserts and deletes."""
    if forgotten:
        return {"characters_inserted": None, "characters_deleted": None}
    return {
        "characters_inserted": sum(len(step) for step in steps if isinstance(step, str)),
        "characters_deleted": -sum(step for step in steps if isinstance(step, int) and step < 0),
    }


@publishes
def created(event: Document.Created) -> DocumentCreated:
    return DocumentCreated(
        owner_id=event.owner_id,
        title_length=length(event.title),
        content_length=length(event.content),
        **_about(event),
    )


@publishes
def retitled(event: Document.Retitled) -> DocumentRetitled:
    return DocumentRetitled(title_length=length(event.title), **_about(event))


@publishes
def edited(event: Document.Edited) -> DocumentEdited:
    # A delta that is forgotten reads as one that changes nothing, which nobody makes.
    return DocumentEdited(**_extent(event.delta, not event.delta), **_about(event))


@publishes
def published(event: Document.Published) -> DocumentPublished:
    return DocumentPublished(**_about(event))


@publishes
def archived(event: Document.Archived) -> DocumentArchived:
    return DocumentArchived(**_about(event))


@publishes
def trashed(event: Document.Trashed) -> DocumentTrashed:
    return DocumentTrashed(**_about(event))


@publishes
def restored_from_trash(event: Document.RestoredFromTrash) -> DocumentRestoredFromTrash:
    return DocumentRestoredFromTrash(**_about(event))


@publishes
def restored_to_version(event: Document.RestoredToVersion) -> DocumentRestoredToVersion:
    return DocumentRestoredToVersion(
        restored_version=event.restored_version,
        title_length=length(event.title),
        **_extent(event.delta, event.title == ERASED),
        **_about(event),
    )


@publishes
def shared(event: Document.Shared) -> DocumentShared:
    return DocumentShared(role=event.role, **_about(event))


@publishes
def share_changed(event: Document.ShareChanged) -> DocumentShareChanged:
    return DocumentShareChanged(role=event.role, **_about(event))


@publishes
def share_revoked(event: Document.ShareRevoked) -> DocumentShareRevoked:
    return DocumentShareRevoked(**_about(event))


@publishes_state
def state(document: Document) -> DocumentState | None:
    if document.title == document.content == ERASED:
        return None
    return DocumentState(
        document_id=document.id,
        owner_id=document.owner_id,
        status=document.status,
        trashed=document.trashed_at is not None,
        title_length=length(document.title),
        content_length=length(document.content),
        shares=len(document.shares),
        **age(document),
    )
