"""Use cases of where documents are kept: folder, tags, archive."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, ReadResult, handles
from application.content.document import DocumentView, begin_use, document_view, load_document, read_document
from application.content.folder import tree_of
from application.ports import Actor, Clock, EventStore, Store
from domain.content import filing
from domain.content.document import Document
from domain.content.folder import FolderTree, role_on_folders
from domain.content.star import Star


@dataclass(frozen=True, slots=True)
class FilingView:
    """Where a document is kept. `folder_id`: only its owner, or the members of the team that owns it, see it.

    `starred`: the reader has set a star.
    """

    folder_id: UUID | None
    tags: list[str]
    starred: bool


class FileDocument(Command[None]):
    """Move a document to a folder of its owner, or out of all folders."""

    id: UUID
    folder_id: UUID | None


class TagDocument(Command[None]):
    """Give a document these tags, and no others."""

    id: UUID
    tags: list[str]


class ArchiveDocument(Command[DocumentView]):
    """Make a document read-only."""

    id: UUID


class UnarchiveDocument(Command[DocumentView]):
    """Publish an archived document again."""

    id: UUID


@handles
async def file_document(cmd: FileDocument, store: Store, actor: Actor, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    begin_use(document, filing.right_to_file(document), actor, clock())
    if cmd.folder_id is not None:
        tree = await tree_of(store, document.owner, clock())
        tree.require("change", actor)
        tree.require_folder(cmd.folder_id)
    filing.file(document, cmd.folder_id, by=actor, now=clock())
    store.save(document)


@handles
async def tag_document(cmd: TagDocument, store: Store, actor: Actor, clock: Clock) -> None:
    document = await load_document(store, cmd.id, "edit", actor, clock())
    filing.set_tags(document, cmd.tags, by=actor, now=clock())
    store.save(document)


@handles
async def archive_document(cmd: ArchiveDocument, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await load_document(store, cmd.id, "edit", actor, clock())
    filing.archive(document, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def unarchive_document(cmd: UnarchiveDocument, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await load_document(store, cmd.id, "edit", actor, clock())
    filing.unarchive(document, by=actor, now=clock())
    store.save(document)
    return document_view(document)


async def document_filing(events: EventStore, actor: Actor, id: UUID, now: datetime) -> ReadResult[FilingView]:
    """Return where the document is kept.

    Raises:
        NotFound: the document does not exist for the actor.
    """
    found = await read_document(events, actor, id, now)
    document = found.view
    star = await events.load(Star, Star.id_of(actor.user_id, id))
    view = FilingView(await _folder_of(document, actor, events), document.tags, star is not None and star.placed)
    return ReadResult(view, found.causes)


async def _folder_of(document: Document, actor: Actor, events: EventStore) -> UUID | None:
    """Return the folder that the document is in now, if the actor may see it."""
    if role_on_folders(document.owner, actor) is None:
        return None
    tree = await events.load(FolderTree, FolderTree.id_of(document.owner))
    return None if tree is None else tree.folder_now(document.folder_id)
