"""Use cases of documents: write, change, trash, restore, share.

Addresses are checked before anything is loaded: an error must not reveal to strangers that a document exists.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import asdict

from application.commands import Command, ReadResult, handles
from application.ports import Actor, Clock, EmailIndex, EventStore, NewId, Store
from application.views import view_maker
from domain.access import DOCUMENT
from domain.billing.subscription import Subscription
from domain.content.document import Document, ShareRole, Status
from domain.kernel import NotFound, Party, PartyKind
from domain.text import email_address

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document at a version, which is the number of its saves. `updated_at`: the time of the last one."""

    id: UUID
    owner_kind: PartyKind
    owner_id: UUID
    title: str
    content: str
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None

    @property
    def etag(self) -> str:
        """The entity tag (RFC 9110, 8.8.3). In the trash it has a second part, as the version stays the same."""
        if self.trashed_at is None:
            return f"{self.version}"
        return f"{self.version}-{(self.trashed_at - EPOCH) // MICROSECOND}"


def _require_reader(document: Document, actor: Actor | None, now: datetime) -> None:
    DOCUMENT.require("read", None if actor is None else document.role_of(actor))


document_view = view_maker(
    DocumentView,
    Document,
    require_reader=_require_reader,
    renamed={"version": "revision", "updated_at": "saved_at"},
)


class CreateDocument(Command[DocumentView]):
    """Create a draft, which counts against the quota of the actor's plan."""

    title: str
    content: str = ""


class ChangeDocument(Command[DocumentView]):
    """Save title, content and status."""

    id: UUID
    title: str
    content: str
    status: Status


class TrashDocument(Command[DocumentView]):
    """Move a document to the trash."""

    id: UUID


class RestoreFromTrash(Command[DocumentView]):
    """Take a document out of the trash."""

    id: UUID


class RestoreVersion(Command[DocumentView]):
    """Save the title and the content of an earlier version as a new one."""

    id: UUID
    version: int


class ShareDocument(Command[DocumentView]):
    """Give a role to the holder of an email address."""

    id: UUID
    email: str
    role: ShareRole


class ChangeShare(Command[DocumentView]):
    """Change the role of an address that the document is shared with."""

    id: UUID
    email: str
    role: ShareRole


class BindShare(Command[None]):
    """Bind the share of the actor's address to the actor, who uses it for the first time."""

    id: UUID


class RevokeShare(Command[DocumentView]):
    """Take the role of an address away."""

    id: UUID
    email: str


class LeaveDocument(Command[None]):
    """Give the actor's shares of a document back."""

    id: UUID


@handles
async def create_document(cmd: CreateDocument, store: Store, actor: Actor, clock: Clock, new_id: NewId) -> DocumentView:
    now = clock()
    subscription = await store.get(Subscription, Subscription.id_of(Party("user", actor.user_id)))
    document = Document.create(id=new_id(), owner_id=actor.user_id, now=now, **asdict(cmd))
    subscription.use(document.id, now=now)
    store.save(document, subscription)
    return document_view(document)


@handles
async def change_document(cmd: ChangeDocument, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await _load(store, cmd.id, "edit", actor, clock())
    document.change(title=cmd.title, content=cmd.content, status=cmd.status, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def trash_document(cmd: TrashDocument, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await _load(store, cmd.id, "trash", actor, clock())
    document.trash(by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def restore_from_trash(cmd: RestoreFromTrash, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await _load(store, cmd.id, "restore", actor, clock())
    document.restore_from_trash(by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def restore_version(cmd: RestoreVersion, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await _load(store, cmd.id, "edit", actor, clock())
    earlier = await store.get(Document, cmd.id, version=document.version_of(cmd.version))
    document.restore_version(earlier, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def share_document(
    cmd: ShareDocument, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> DocumentView:
    address_id = addresses.address_id(email_address(cmd.email))
    document = await store.get(Document, cmd.id)
    document.share(address_id=address_id, email=cmd.email, role=cmd.role, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def change_share(
    cmd: ChangeShare, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> DocumentView:
    address_id = addresses.address_id(email_address(cmd.email))
    document = await store.get(Document, cmd.id)
    document.change_share(address_id=address_id, role=cmd.role, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def revoke_share(
    cmd: RevokeShare, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> DocumentView:
    address_id = addresses.address_id(email_address(cmd.email))
    document = await store.get(Document, cmd.id)
    document.revoke_share(address_id=address_id, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def leave_document(cmd: LeaveDocument, store: Store, actor: Actor, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    document.leave(by=actor, now=clock())
    store.save(document)


@handles
async def bind_share(cmd: BindShare, store: Store, actor: Actor, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    document.bind_share(by=actor, now=clock())
    store.save(document)


async def document_at_version(events: EventStore, actor: Actor, id: UUID, version: int) -> ReadResult[DocumentView]:
    """Return the document as it was at `version` (from 1), if the actor may read it now.

    Raises:
        NotFound: the document does not exist for the actor, or has no such version.
    """
    document = await events.load(Document, id)
    if document is None:
        raise NotFound("There is no such document.")
    document.require("read", actor)
    at = document.version_of(version)
    earlier = document if document.version == at else await events.load(Document, id, version=at)
    assert earlier is not None
    unused = document.unused_share_of(actor) is not None
    return ReadResult(document_view(earlier), BindShare(id=id) if unused else None)


async def _load(store: Store, id: UUID, action: str, actor: Actor, now: datetime) -> Document:
    """Load the document for an action, which may be the first use of a share."""
    document = await store.get(Document, id)
    document.require(action, actor)
    document.bind_share(by=actor, now=now)
    return document
