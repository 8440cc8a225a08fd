"""One change of many documents: the outcome of each is what the person may do with it."""

import random
from uuid import UUID

from application.content.bulk import BulkAction, ChangeDocuments
from tests.support.people.machine import Machine, act, pick
from tests.support.people.model import RANKS

ACTIONS: list[BulkAction] = ["archive", "unarchive", "trash", "restore", "move", "move", "tag"]
NEEDS = {"archive": "editor", "unarchive": "editor", "tag": "editor", "trash": "owner", "restore": "owner"}
IN_TRASH = ("trash", "restore")
TAGS = ["red", "green", "blue"]
MAX_CHANGED = 5


class BulkRules(Machine):
    """Archive, trash, move and tag several documents at once."""

    @act(9)
    def change_many(self, which: int, who: int, whom: int, how: int) -> None:
        first, _ = self.document(which)
        by, action = self.one_with("editor", first, who), pick(how, ACTIONS)
        numbers = self._chosen(first, by, whom, action)
        folder, tag = self._folder(first, whom), pick(whom, TAGS)
        command = ChangeDocuments(
            ids=[self.service.documents[number] for number in numbers],
            action=action,
            folder_id=folder if action == "move" else None,
            tags=(tag,) if action == "tag" else (),
        )
        code, answer = self.send(by, command)
        assert code == "done"
        expected = [self._outcome(by, number, action, folder) for number in numbers]
        self.outcomes.update([(f"ChangeDocuments: {action}", outcome) for outcome in answer.outcomes])
        assert answer.outcomes == expected, f"{by} {action} {numbers}: {answer.outcomes}, not {expected}"
        for number, outcome in zip(numbers, expected, strict=True):
            if outcome == "done":
                self._change(by, number, action, folder, tag)

    def _chosen(self, first: int, by: int, choice: int, action: BulkAction) -> list[int]:
        """A document and some others, mostly of those that the person sees; to restore, of those in the trash."""
        chosen, documents = random.Random(choice), self.model.documents
        likely = [n for n in range(len(documents)) if self.model.role(by, n) and n != first]
        if action == "restore":
            likely = [n for n in likely if documents[n].trashed is not None] or likely
        others = chosen.sample(likely, min(len(likely), MAX_CHANGED - 2))
        return [first, *others, chosen.randrange(len(documents))]

    def _folder(self, number: int, choice: int) -> UUID | None:
        """A folder, mostly of the document's owner; or none."""
        own = [folder for folder, owner in self.service.folders if owner == self.model.documents[number].owner]
        every = [folder for folder, _ in self.service.folders]
        return pick(choice // 8, [*(own if choice % 8 else every), None])

    def _outcome(self, by: int, number: int, action: BulkAction, folder: UUID | None) -> str:
        document, role = self.model.documents[number], self.model.role(by, number)
        if role is None:
            return "not_found"
        if action == "move":
            refused = self._refused_move(by, number, folder)
        else:
            refused = None if RANKS[role] >= RANKS[NEEDS[action]] else "role_too_low"
        is_late = document.trashed is not None and action not in IN_TRASH
        return refused or ("document_is_trashed" if is_late else "done")

    def _refused_move(self, by: int, number: int, folder: UUID | None) -> str | None:
        document, role = self.model.documents[number], self.model.role(by, number)
        kind, owner = document.owner
        if RANKS[role] < RANKS["editor" if kind == "team" else "owner"]:
            return "role_too_low"
        in_team = self.model.teams[owner].role_on_documents(by) if kind == "team" else "owner"
        if RANKS[in_team] < RANKS["editor"]:
            return "not_found" if in_team is None else "role_too_low"
        is_known = folder is None or (folder, document.owner) in self.service.folders
        return None if is_known else "no_such_folder"

    def _change(self, by: int, number: int, action: BulkAction, folder: UUID | None, tag: str) -> None:
        """Do in the model what was done with a document."""
        document = self.model.documents[number]
        self.model.use(by, number)
        match action:
            case "archive":
                document.archived = True
            case "unarchive":
                document.archived = False
            case "trash" if document.trashed is None:
                document.trashed, document.offer = self.model.day, None
            case "restore":
                document.trashed = None
            case "move":
                document.folder = folder
            case "tag":
                document.tags.add(tag)
