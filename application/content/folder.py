"""Use cases of folders: create, rename, move, delete, and the whole tree."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from application.admission import note_role_by_team
from application.commands import Command, handles
from application.lookup import find
from application.ports import Actor, Clock, EventStore, NewId, Store
from domain.content.folder import NO_FOLDER, FolderTree, require_on_folders
from domain.content.refusals import NoSuchFolder
from domain.kernel import Party
from domain.teams.team import Team


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
    """Create a folder, as the last one in the folder above it. `team_id`: of a team; None: of the actor."""

    name: str
    parent_id: UUID | None = None
    team_id: UUID | None = None


class RenameFolder(Command[None]):
    """Rename a folder."""

    id: UUID
    name: str
    team_id: UUID | None = None


class MoveFolder(Command[None]):
    """Move a folder into another one, or to the top; before one of the folders there, or to their end."""

    id: UUID
    parent_id: UUID | None
    before_id: UUID | None = None
    team_id: UUID | None = None


class DeleteFolder(Command[None]):
    """Delete a folder. What is in it is then in the folder above it."""

    id: UUID
    team_id: UUID | None = None


@handles
async def create_folder(cmd: CreateFolder, store: Store, actor: Actor, clock: Clock, new_id: NewId) -> CreatedFolder:
    id, tree = new_id(), await _chosen(store, actor, cmd.team_id, clock())
    tree.create(folder_id=id, name=cmd.name, parent_id=cmd.parent_id, by=actor, now=clock())
    store.save(tree)
    return CreatedFolder(id)


@handles
async def rename_folder(cmd: RenameFolder, store: Store, actor: Actor, clock: Clock) -> None:
    tree = await _chosen(store, actor, cmd.team_id, clock())
    tree.rename(cmd.id, cmd.name, by=actor, now=clock())
    store.save(tree)


@handles
async def move_folder(cmd: MoveFolder, store: Store, actor: Actor, clock: Clock) -> None:
    tree = await _chosen(store, actor, cmd.team_id, clock())
    tree.move(cmd.id, parent_id=cmd.parent_id, before_id=cmd.before_id, by=actor, now=clock())
    store.save(tree)


@handles
async def delete_folder(cmd: DeleteFolder, store: Store, actor: Actor, clock: Clock) -> None:
    tree = await _chosen(store, actor, cmd.team_id, clock())
    tree.delete(cmd.id, by=actor, now=clock())
    store.save(tree)


async def folders(events: EventStore, actor: Actor, team_id: UUID | None = None) -> FolderTreeView:
    """Return the folders of the actor or a team: those at the top, each followed by the folders in it.

    Raises:
        NotFound: the actor may not see what belongs to the team.
    """
    tree = await _stored(events, actor, team_id)
    if tree is None:
        return FolderTreeView(0, [])
    return FolderTreeView(tree.version, [_view(tree, id) for id in tree.listed()])


async def folder(events: EventStore, actor: Actor, id: UUID, team_id: UUID | None = None) -> FolderPathView:
    """Return a folder of the actor or a team.

    Raises:
        NotFound: there is none, or the actor may not see what belongs to the team.
    """
    tree = await _stored(events, actor, team_id)
    if tree is None:
        raise NoSuchFolder(NO_FOLDER)
    tree.require_folder(id)
    return FolderPathView(id, tree.version, [_view(tree, each) for each in tree.path_of(id)])


async def folders_of_list(
    events: EventStore, actor: Actor, wanted: UUID | Literal["none"] | None, team_id: UUID | None = None
) -> ListedFolders:
    """Return the ids that documents in a folder of the actor or a team may name, deleted folders of it among them.

    Raises:
        NotFound: there is no such folder, or the actor may not see what belongs to the team.
    """
    if wanted is None:
        return ListedFolders(None, None)
    tree = await _stored(events, actor, team_id)
    places = {} if tree is None else tree.places()
    if wanted == "none":
        return ListedFolders(None, [each for each, now in places.items() if now is not None])
    if places.get(wanted) != wanted:
        raise NoSuchFolder(NO_FOLDER)
    return ListedFolders([each for each, now in places.items() if now == wanted], None)


async def _chosen(store: Store, actor: Actor, team_id: UUID | None, now: datetime) -> FolderTree:
    """Return the folders of the actor, or of a team; loading the team tells the actor's role."""
    if team_id is not None:
        await find(store, Team, team_id)
    return await tree_of(store, _owner(actor, team_id), now)


async def _stored(events: EventStore, actor: Actor, team_id: UUID | None) -> FolderTree | None:
    """Return the folders of the actor, or of a team; None: there are none yet, or they are erased.

    Raises:
        NotFound: the actor may not see what belongs to the team.
    """
    team = None if team_id is None else await events.load(Team, team_id)
    if team is not None:
        note_role_by_team(team, actor)
    owner = _owner(actor, team_id)
    require_on_folders(owner, "read", actor)
    tree = await events.load(FolderTree, FolderTree.id_of(owner))
    return None if tree is None or tree.erased else tree


def _owner(actor: Actor, team_id: UUID | None) -> Party:
    return Party("user", actor.user_id) if team_id is None else Party("team", team_id)


async def tree_of(store: Store, owner: Party, now: datetime) -> FolderTree:
    """Return the folders of an owner: a new tree, not stored yet, if there is none."""
    return await find(store, FolderTree, FolderTree.id_of(owner)) or FolderTree.start(owner, now=now)


def _view(tree: FolderTree, id: UUID) -> FolderView:
    return FolderView(id, tree.parents[id], tree.names[id])
