"""Use cases of folders: create, rename, move, delete, and the whole tree."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from application.commands import Command, handles
from application.lookup import find
from application.ports import Actor, Clock, EventStore, NewId, Store
from domain.content.folder import FolderTree
from domain.content.refusals import NoSuchFolder
from domain.kernel import NotFound, Party


@dataclass(frozen=True, slots=True)
class FolderView:
    """A folder. `parent_id`: the folder above it; null: there is none. Siblings are listed in their order."""

    id: UUID
    parent_id: UUID | None
    name: str


@dataclass(frozen=True, slots=True)
class FolderTreeView:
    """All folders. `version` counts the changes."""

    version: int
    items: list[FolderView]


@dataclass(frozen=True, slots=True)
class FolderPathView:
    """A folder with the folders above it, the topmost first, and itself at the end: the breadcrumbs."""

    id: UUID
    version: int
    path: list[FolderView]


@dataclass(frozen=True, slots=True)
class CreatedFolder:
    """The id of a new folder."""

    id: UUID


@dataclass(frozen=True, slots=True)
class ListedFolders:
    """What documents of a list name as their folder: one of `inside`, none of `outside`. None: it does not matter."""

    inside: list[UUID] | None
    outside: list[UUID] | None


class CreateFolder(Command[CreatedFolder]):
    """Create a folder, as the last one in the folder above it."""

    name: str
    parent_id: UUID | None = None


class RenameFolder(Command[None]):
    """Rename a folder."""

    id: UUID
    name: str


class MoveFolder(Command[None]):
    """Move a folder into another one, or to the top; before one of the folders there, or to their end."""

    id: UUID
    parent_id: UUID | None
    before_id: UUID | None = None


class DeleteFolder(Command[None]):
    """Delete a folder. What is in it is then in the folder above it."""

    id: UUID


@handles
async def create_folder(cmd: CreateFolder, store: Store, actor: Actor, clock: Clock, new_id: NewId) -> CreatedFolder:
    id, tree = new_id(), await tree_of(store, Party("user", actor.user_id), clock())
    tree.create(folder_id=id, name=cmd.name, parent_id=cmd.parent_id, by=actor, now=clock())
    store.save(tree)
    return CreatedFolder(id)


@handles
async def rename_folder(cmd: RenameFolder, store: Store, actor: Actor, clock: Clock) -> None:
    tree = await tree_of(store, Party("user", actor.user_id), clock())
    tree.rename(cmd.id, cmd.name, by=actor, now=clock())
    store.save(tree)


@handles
async def move_folder(cmd: MoveFolder, store: Store, actor: Actor, clock: Clock) -> None:
    tree = await tree_of(store, Party("user", actor.user_id), clock())
    tree.move(cmd.id, parent_id=cmd.parent_id, before_id=cmd.before_id, by=actor, now=clock())
    store.save(tree)


@handles
async def delete_folder(cmd: DeleteFolder, store: Store, actor: Actor, clock: Clock) -> None:
    tree = await tree_of(store, Party("user", actor.user_id), clock())
    tree.delete(cmd.id, by=actor, now=clock())
    store.save(tree)


async def folders(events: EventStore, actor: Actor) -> FolderTreeView:
    """Return the actor's folders: those at the top, each followed by the folders in it."""
    tree = await events.load(FolderTree, FolderTree.id_of(Party("user", actor.user_id)))
    if tree is None or tree.role_of(actor) is None:
        return FolderTreeView(0, [])
    return FolderTreeView(tree.version, [_view(tree, id) for id in tree.listed()])


async def folder(events: EventStore, actor: Actor, id: UUID) -> FolderPathView:
    """Return one of the actor's folders.

    Raises:
        NotFound: they have no such folder.
    """
    tree = await events.load(FolderTree, FolderTree.id_of(Party("user", actor.user_id)))
    if tree is None:
        raise NotFound("There is no such folder.")
    tree.require("read", actor)
    tree.require_folder(id)
    return FolderPathView(id, tree.version, [_view(tree, each) for each in tree.path_of(id)])


async def folders_of_list(events: EventStore, actor: Actor, wanted: UUID | Literal["none"] | None) -> ListedFolders:
    """Return the ids that documents in one of the actor's folders may name, deleted folders of it among them.

    Raises:
        NotFound: they have no such folder.
    """
    if wanted is None:
        return ListedFolders(None, None)
    tree = await events.load(FolderTree, FolderTree.id_of(Party("user", actor.user_id)))
    places = {} if tree is None else tree.places()
    if wanted == "none":
        return ListedFolders(None, [each for each, now in places.items() if now is not None])
    if places.get(wanted) != wanted:
        raise NoSuchFolder("There is no such folder; list the folders to see which there are.")
    return ListedFolders([each for each, now in places.items() if now == wanted], None)


async def tree_of(store: Store, owner: Party, now: datetime) -> FolderTree:
    """Return the folders of an owner: a new tree, not stored yet, if there is none."""
    return await find(store, FolderTree, FolderTree.id_of(owner)) or FolderTree.start(owner, now=now)


def _view(tree: FolderTree, id: UUID) -> FolderView:
    return FolderView(id, tree.parents[id], tree.names[id])
