"""Use cases of documents: write, change, trash, restore, share.

Addresses are checked before anything is loaded: an error must not reveal to strangers that a document exists.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from msgspec.structs import asdict

from application.admission import admit
from application.commands import Command, ReadResult, handles
from application.content.link_guest import links_left
from application.content.owners import owner_of_new
from application.content.retention import require_shown
from application.lookup import find
from application.ports import Actor, Clock, EmailIndex, EventStore, NewId, Store
from application.views import view_maker
from domain.access import DOCUMENT
from domain.billing.subscription import Subscription
from domain.content import sharing, version_names
from domain.content.document import Document, Status
from domain.content.edits import Edit, edit
from domain.content.roles import ShareRole
from domain.content.texts import title_of_copy
from domain.kernel import NotFound, PartyKind
from domain.text import email_address

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document at a version, which is the number of its saves. `updated_at`: the time of the last one.

    `transferred_at`: when it got its present owner; null: it was created for them.
    """

    id: UUID
    owner_kind: PartyKind
    owner_id: UUID
    title: str
    content: str
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime
    transferred_at: datetime | None
    trashed_at: datetime | None

    @property
    def etag(self) -> str:
        """The entity tag (RFC 9110, 8.8.3). The trash and a transfer add parts to it, as the version stays the same."""
        parts = [f"{self.version}"]
        if self.transferred_at is not None:
            parts.append(f"t{(self.transferred_at - EPOCH) // MICROSECOND}")
        if self.trashed_at is not None:
            parts.append(f"{(self.trashed_at - EPOCH) // MICROSECOND}")
        return "-".join(parts)


def _require_reader(document: Document, actor: Actor | None, now: datetime) -> None:
    DOCUMENT.require("read", None if actor is None else document.role_of(actor))


document_view = view_maker(
    DocumentView,
    Document,
    require_reader=_require_reader,
    renamed={"version": "revision", "updated_at": "saved_at"},
)


class CreateDocument(Command[DocumentView]):
    """Create a draft of the actor, or of a team. It counts against the quota of its owner's plan."""

    title: str
    content: str = ""
    team_id: UUID | None = None


class ChangeDocument(Command[DocumentView]):
    """Save title, content and status; what is None stays."""

    id: UUID
    title: str | None = None
    content: str | None = None
    status: Status | None = None


class EditDocument(Command[DocumentView]):
    """Save the content with some edits, whose offsets are those of the version that the actor names."""

    names_version = True

    id: UUID
    edits: list[Edit]


class DuplicateDocument(Command[DocumentView]):
    """Create a draft with the title and the content of a document. `title`: None is "Copy of" and the title.

    It belongs to the actor or to a team, and counts against the quota of its owner's plan.
    """

    id: UUID
    title: str | None = None
    team_id: UUID | None = None


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


class NameVersion(Command[None]):
    """Give a version a name."""

    id: UUID
    version: int
    name: str


class UnnameVersion(Command[None]):
    """Remove the name of a version."""

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
    now, texts = clock(), asdict(cmd)
    owner = await owner_of_new(store, texts.pop("team_id"), actor)
    document = Document.create(id=new_id(), owner_kind=owner.kind, owner_id=owner.id, now=now, **texts)
    store.save(document, await charged(document, store, now))
    return document_view(document)


@handles
async def duplicate_document(
    cmd: DuplicateDocument, store: Store, actor: Actor, clock: Clock, new_id: NewId
) -> DocumentView:
    now = clock()
    original = await load_document(store, cmd.id, "duplicate", actor, now)
    owner = await owner_of_new(store, cmd.team_id, actor)
    texts = {"title": title_of_copy(original.title) if cmd.title is None else cmd.title, "content": original.content}
    copy = Document.create(id=new_id(), owner_kind=owner.kind, owner_id=owner.id, now=now, **texts)
    store.save(copy, await charged(copy, store, now), original)
    return document_view(copy)


@handles
async def change_document(cmd: ChangeDocument, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await load_document(store, cmd.id, "edit", actor, clock())
    document.change(title=cmd.title, content=cmd.content, status=cmd.status, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def edit_document(cmd: EditDocument, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await load_document(store, cmd.id, "edit", actor, clock())
    edit(document, cmd.edits, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def trash_document(cmd: TrashDocument, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await load_document(store, cmd.id, "trash", actor, clock())
    document.trash(by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def restore_from_trash(cmd: RestoreFromTrash, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await load_document(store, cmd.id, "restore", actor, clock())
    document.restore_from_trash(by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def restore_version(cmd: RestoreVersion, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await load_document(store, cmd.id, "edit", actor, clock())
    earlier = await version_of(store, document, cmd.version, clock())
    document.restore_version(earlier, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def name_version(cmd: NameVersion, store: Store, actor: Actor, clock: Clock) -> None:
    document = await load_document(store, cmd.id, "edit", actor, clock())
    await require_shown(partial(find, store), document, cmd.version, clock())
    version_names.name_version(document, cmd.version, cmd.name, by=actor, now=clock())
    store.save(document)


@handles
async def unname_version(cmd: UnnameVersion, store: Store, actor: Actor, clock: Clock) -> None:
    document = await load_document(store, cmd.id, "edit", actor, clock())
    version_names.unname_version(document, cmd.version, by=actor, now=clock())
    store.save(document)


@handles
async def share_document(
    cmd: ShareDocument, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> DocumentView:
    address_id = addresses.address_id(email_address(cmd.email))
    document = await store.get(Document, cmd.id)
    sharing.share(document, address_id=address_id, email=cmd.email, role=cmd.role, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def change_share(
    cmd: ChangeShare, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> DocumentView:
    address_id = addresses.address_id(email_address(cmd.email))
    document = await store.get(Document, cmd.id)
    sharing.change_share(document, address_id=address_id, role=cmd.role, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def revoke_share(
    cmd: RevokeShare, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> DocumentView:
    address_id = addresses.address_id(email_address(cmd.email))
    document = await store.get(Document, cmd.id)
    sharing.revoke_share(document, address_id=address_id, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def leave_document(cmd: LeaveDocument, store: Store, actor: Actor, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    sharing.leave(document, by=actor, now=clock())
    store.save(document, *await links_left(store, document, actor, clock()))


@handles
async def bind_share(cmd: BindShare, store: Store, actor: Actor, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    sharing.bind_share(document, by=actor, now=clock())
    store.save(document)


async def document_at_version(
    events: EventStore, actor: Actor, id: UUID, version: int, now: datetime
) -> ReadResult[DocumentView]:
    """Return the document as it was at `version` (from 1), if the actor may read it now.

    Raises:
        NotFound: the document does not exist for the actor, or has no such version.
        VersionHidden: the plan of its owner hides this version.
    """
    found = await read_document(events, actor, id, now)
    document = found.view
    await require_shown(events.load, document, version, now)
    at = document.version_of(version)
    earlier = document if document.version == at else await events.load(Document, id, version=at)
    assert earlier is not None
    return ReadResult(document_view(earlier), found.causes)


async def read_document(events: EventStore, actor: Actor, id: UUID, now: datetime) -> ReadResult[Document]:
    """Return the document as the event log has it now, if the actor may read it. It may be the first use of a share.

    Raises:
        NotFound: the document does not exist for the actor.
    """
    document = await events.load(Document, id)
    if document is None:
        raise NotFound("There is no such document.")
    await admit(document, actor, events, now)
    document.require("read", actor)
    return ReadResult(document, None if document.unused_share_of(actor) is None else BindShare(id=id))


async def charged(document: Document, store: Store, now: datetime) -> Subscription:
    """Return the subscription of a document's new owner, charged with it.

    Raises:
        QuotaExceeded: their plan allows no more documents this month.
    """
    owner = document.owner
    if owner.kind == "user":
        subscription = await store.get(Subscription, Subscription.id_of(owner))
    else:  # teams that earlier versions founded have none
        found = await find(store, Subscription, Subscription.id_of(owner))
        subscription = found or Subscription.start(payer=owner, now=now)
    subscription.use(document.id, now=now)
    return subscription


async def load_document(store: Store, id: UUID, action: str, actor: Actor, now: datetime) -> Document:
    """Load the document for an action, which may be the first use of a share.

    Raises:
        NotFound, RoleTooLow: the actor may not do that with it.
    """
    document = await store.get(Document, id)
    begin_use(document, action, actor, now)
    return document


async def version_of(store: Store, document: Document, version: int, now: datetime) -> Document:
    """Return a document as it was at a version.

    Raises:
        NotFound: it has no such version.
        VersionHidden: the plan of its owner hides it.
    """
    await require_shown(partial(find, store), document, version, now)
    return await store.get(Document, document.id, version=document.version_of(version))


def begin_use(document: Document, action: str, actor: Actor, now: datetime) -> None:
    """Refuse an action that the actor may not do. It may be the first use of a share.

    Raises:
        NotFound, RoleTooLow: the actor may not do that with the document.
    """
    document.require(action, actor)
    sharing.bind_share(document, by=actor, now=now)
