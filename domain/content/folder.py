"""Folders: the tree in which a user or a team keeps documents.

The tree of an owner is one stream, so that no two changes at the same time can make a circle of folders. A document
names its folder (`filing.py`). A folder is deleted without its documents: they are then in the folder above it, which
the tree remembers (`FolderTree.folder_now`). See `domain/decisions/0007-folders-tags-and-stars.md`.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid5

from domain.access import Person, Resource, Rule
from domain.content.refusals import FolderInItself, NoSuchFolder, TooManyFolders
from domain.kernel import FirstEvent, Party, PartyKind, Personal, Root
from domain.text import single_line

NAME_LENGTH = 100
NO_FOLDER = "There is no such folder; list the folders to see which there are."
MAX_FOLDERS = 1_000
MAX_DELETED = 10_000
"""Of each deleted folder the tree keeps for ever where its documents are."""

FOLDER = Resource(
    "folder",
    roles=("oneself",),
    rules={"read": Rule("oneself", "documents:read"), "change": Rule("oneself", "documents:write")},
)
"""A user's own folders."""

TEAM_FOLDER = Resource(
    "team folder",
    roles=("owner", "editor", "viewer"),
    rules={"read": Rule("viewer", "documents:read"), "change": Rule("editor", "documents:write")},
    advice="an owner of the team",
)
"""The folders of a team. Its members have the roles that they have on its documents (`team_roles.py`)."""


def role_on_folders(owner: Party, person: Person) -> str | None:
    """Return the person's role on the folders of an owner; None: these do not exist for them."""
    if owner.kind == "team":
        role: str | None = person.lent.get(owner.id)
        return role
    return "oneself" if owner.id == person.user_id else None


def require_on_folders(owner: Party, action: str, person: Person) -> None:
    """Refuse an action (`FOLDER`, `TEAM_FOLDER`) that the person's role on the folders of an owner is not enough for.

    Raises:
        NotFound: the folders do not exist for them.
        RoleTooLow: their role in the team is lower than the action takes.
    """
    resource = TEAM_FOLDER if owner.kind == "team" else FOLDER
    resource.require(action, role_on_folders(owner, person))


def usable_name(name: str) -> str:
    """Return the name of a folder in the form to store.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(name, "The name of a folder", NAME_LENGTH)


class FolderTree(Root):
    """All folders of one owner."""

    TOPIC = "folder_tree"

    class Started(FirstEvent):
        TOPIC = "folder_tree.started"
        owner_kind: PartyKind
        owner_id: UUID

        def apply(self, aggregate: "FolderTree") -> None:
            self.assign(aggregate)
            aggregate.names = {}
            aggregate.parents = {}
            aggregate.order = []
            aggregate.deleted = {}

    class FolderCreated(Root.Event):
        TOPIC = "folder_tree.folder_created"
        folder_id: UUID
        name: Personal[str]
        parent_id: UUID | None = None

        def apply(self, aggregate: "FolderTree") -> None:
            aggregate.names[self.folder_id] = self.name
            aggregate.parents[self.folder_id] = self.parent_id
            aggregate.order.append(self.folder_id)

    class FolderRenamed(Root.Event):
        TOPIC = "folder_tree.folder_renamed"
        folder_id: UUID
        name: Personal[str]

        def apply(self, aggregate: "FolderTree") -> None:
            aggregate.names[self.folder_id] = self.name

    class FolderMoved(Root.Event):
        """The folder has another parent, or another place among its siblings: before one of them, or at the end."""

        TOPIC = "folder_tree.folder_moved"
        folder_id: UUID
        parent_id: UUID | None = None
        before_id: UUID | None = None

        def apply(self, aggregate: "FolderTree") -> None:
            aggregate.parents[self.folder_id] = self.parent_id
            aggregate.order.remove(self.folder_id)
            is_before = self.before_id in aggregate.order
            place = aggregate.order.index(self.before_id) if is_before else len(aggregate.order)  # type: ignore[arg-type]
            aggregate.order.insert(place, self.folder_id)

    class FolderDeleted(Root.Event):
        """The folder is gone. What was in it is now in the folder above it."""

        TOPIC = "folder_tree.folder_deleted"
        folder_id: UUID

        def apply(self, aggregate: "FolderTree") -> None:
            above = aggregate.parents.pop(self.folder_id)
            for folder_id in aggregate.children(self.folder_id):
                aggregate.parents[folder_id] = above
            aggregate.order.remove(self.folder_id)
            del aggregate.names[self.folder_id]
            aggregate.deleted[self.folder_id] = above

    class Erased(Root.Event):
        TOPIC = "folder_tree.erased"
        erases = True

        def apply(self, aggregate: "FolderTree") -> None:
            aggregate.erased = True

    owner_kind: PartyKind
    owner_id: UUID
    names: dict[UUID, str]
    parents: dict[UUID, UUID | None]
    """The folder above each folder; None: there is none above it."""
    order: list[UUID]
    """All folders; siblings are shown in this order."""
    deleted: dict[UUID, UUID | None]
    """Of each deleted folder the one that was above it."""

    @property
    def owner(self) -> Party:
        """The user or team that the folders belong to."""
        return Party(self.owner_kind, self.owner_id)

    @staticmethod
    def id_of(owner: Party) -> UUID:
        """Return the id of an owner's tree: there is at most one."""
        return uuid5(owner.id, "folders")

    @classmethod
    def start(cls, owner: Party, *, now: datetime) -> "FolderTree":
        """Start the tree of an owner, without folders."""
        return cls.start_stream(
            cls.Started, id=cls.id_of(owner), tenant=owner, now=now, owner_kind=owner.kind, owner_id=owner.id
        )

    def role_of(self, person: Person) -> str | None:
        """Return the person's role; None: the folders do not exist for them, as those of an erased owner for all."""
        return None if self.erased else role_on_folders(self.owner, person)

    def require(self, action: str, person: Person) -> None:
        """Refuse an action that the person may not do with the folders.

        Raises:
            NotFound, RoleTooLow: see `require_on_folders`.
        """
        resource = TEAM_FOLDER if self.owner_kind == "team" else FOLDER
        resource.require(action, self.role_of(person))

    def require_folder(self, folder_id: UUID) -> None:
        """Refuse a folder that the tree does not have. Raises `NoSuchFolder`."""
        if folder_id not in self.parents:
            raise NoSuchFolder(NO_FOLDER)

    def children(self, folder_id: UUID | None) -> list[UUID]:
        """Return the folders directly in a folder, or at the top (None), in their order."""
        return [each for each in self.order if self.parents.get(each) == folder_id]

    def listed(self) -> list[UUID]:
        """Return all folders as a reader goes through the tree: each one is followed by the folders in it."""
        below: dict[UUID | None, list[UUID]] = {}
        for folder_id in reversed(self.order):
            below.setdefault(self.parents[folder_id], []).append(folder_id)
        found, waiting = [], below.get(None, [])
        while waiting:
            found.append(waiting.pop())
            waiting += below.get(found[-1], [])
        return found

    def path_of(self, folder_id: UUID) -> list[UUID]:
        """Return the folders above a folder, the topmost first, and the folder itself."""
        return [*self._upwards(folder_id)][::-1]

    def places(self) -> dict[UUID, UUID | None]:
        """Return `folder_now` of all folders that there are or ever were."""
        found: dict[UUID, UUID | None] = {folder_id: folder_id for folder_id in self.parents}
        # The folder above a deleted one was there at that time: it was deleted later, or is there now.
        for folder_id, above in reversed(self.deleted.items()):
            found[folder_id] = None if above is None else found[above]
        return found

    def folder_now(self, folder_id: UUID | None) -> UUID | None:
        """Return where documents are that name this folder: in it, or if it was deleted in the next one above it.

        None: in no folder, as documents that name a folder of an earlier owner.
        """
        while folder_id is not None and folder_id not in self.parents:
            folder_id = self.deleted.get(folder_id)
        return folder_id

    def create(self, *, folder_id: UUID, name: str, parent_id: UUID | None, by: Person, now: datetime) -> None:
        """Create a folder, as the last one in the folder above it.

        Raises:
            NotFound, RoleTooLow: the person may not change the folders.
            UnusableText: the name is not valid.
            NoSuchFolder: there is no such folder above it.
            TooManyFolders: there are `MAX_FOLDERS`.
        """
        self.require("change", by)
        name = usable_name(name)
        self._require_parent(parent_id)
        if len(self.order) >= MAX_FOLDERS:
            raise TooManyFolders(f"There are at most {MAX_FOLDERS} folders; delete one first.")
        self.trigger_event(self.FolderCreated, now=now, folder_id=folder_id, name=name, parent_id=parent_id)

    def rename(self, folder_id: UUID, name: str, *, by: Person, now: datetime) -> None:
        """Rename a folder. An equal name causes no event.

        Raises:
            NotFound, RoleTooLow, NoSuchFolder: the person may not change the folders, or there is no such folder.
            UnusableText: the name is not valid.
        """
        self.require("change", by)
        self.require_folder(folder_id)
        name = usable_name(name)
        if name != self.names[folder_id]:
            self.trigger_event(self.FolderRenamed, now=now, folder_id=folder_id, name=name)

    def move(
        self, folder_id: UUID, *, parent_id: UUID | None, before_id: UUID | None, by: Person, now: datetime
    ) -> None:
        """Move a folder into another one, or to the top (None): before one of the folders there, or to their end.

        Raises:
            NotFound, RoleTooLow: the person may not change the folders.
            NoSuchFolder: one of the folders is not there.
            FolderInItself: the folder would be in itself, or in one of the folders in it.
        """
        self.require("change", by)
        self.require_folder(folder_id)
        self._require_parent(parent_id)
        if parent_id is not None and folder_id in self._upwards(parent_id):
            raise FolderInItself("A folder cannot be in itself or in a folder that is in it; name another one.")
        siblings = self.children(parent_id)
        if before_id is not None and (before_id == folder_id or before_id not in siblings):
            raise NoSuchFolder("There is no such folder before which it could be; list the folders to see them.")
        wanted = [each for each in siblings if each != folder_id]
        wanted.insert(len(wanted) if before_id is None else wanted.index(before_id), folder_id)
        if wanted != siblings:
            self.trigger_event(self.FolderMoved, now=now, folder_id=folder_id, parent_id=parent_id, before_id=before_id)

    def delete(self, folder_id: UUID, *, by: Person, now: datetime) -> None:
        """Delete a folder: the folders and documents in it are then in the one above it. A repeat causes no event.

        Raises:
            NotFound, RoleTooLow, NoSuchFolder: the person may not change the folders, or there never was such a folder.
            TooManyFolders: `MAX_DELETED` have been deleted.
        """
        self.require("change", by)
        if folder_id in self.deleted:
            return
        self.require_folder(folder_id)
        if len(self.deleted) >= MAX_DELETED:
            raise TooManyFolders(f"At most {MAX_DELETED} folders can be deleted; rename or move this one.")
        self.trigger_event(self.FolderDeleted, now=now, folder_id=folder_id)

    def erase(self, *, now: datetime) -> None:
        """Erase the tree with its owner. A second erasure causes no event."""
        if not self.erased:
            self.trigger_event(self.Erased, now=now)

    def _require_parent(self, parent_id: UUID | None) -> None:
        if parent_id is not None:
            self.require_folder(parent_id)

    def _upwards(self, folder_id: UUID) -> Iterator[UUID]:
        above: UUID | None = folder_id
        while above is not None:
            yield above
            above = self.parents[above]
