"""Use case: one change of many documents, with an outcome for each. What is refused for one stops no other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast, get_args
from uuid import UUID

from application.commands import Command, handles
from application.content.document import begin_use
from application.content.folder import tree_of
from application.ports import Actor, Clock, Store
from domain.content import filing
from domain.content.document import Document
from domain.content.folder import FolderTree
from domain.kernel import Party, Refusal

MAX_DOCUMENTS = 100
MAX_CHARACTERS = 8_000_000
"""Texts in memory, of one command."""

BulkAction = Literal["archive", "unarchive", "trash", "restore", "move", "tag"]

BulkOutcome = Literal[
    "done", "not_found", "no_such_folder", "role_too_low", "document_is_trashed", "too_many_tags", "too_much_text"
]
"""`done`, or the code of the refusal. `too_much_text`: send the document again, with fewer others."""

RIGHTS = {"archive": "edit", "unarchive": "edit", "trash": "trash", "restore": "restore", "tag": "edit"}
"""What each action takes (`domain.access.DOCUMENT`); a move takes `filing.right_to_file`."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The outcome for each document, in the order of the ids."""

    outcomes: list[BulkOutcome]


class ChangeDocuments(Command[BulkResult]):
    """Do the same with many documents. `folder_id`: of their owner, where to move them. `tags`: to add to theirs."""

    ids: list[UUID]
    action: BulkAction
    folder_id: UUID | None = None
    tags: tuple[str, ...] = ()


@handles
async def change_documents(cmd: ChangeDocuments, store: Store, actor: Actor, clock: Clock) -> BulkResult:
    change = _change_of(cmd, actor, clock())
    trees: dict[Party, FolderTree] = {}
    changed: list[Document] = []
    outcomes: dict[UUID, BulkOutcome] = {}
    characters = 0
    for id in dict.fromkeys(cmd.ids):
        if characters >= MAX_CHARACTERS:
            outcomes[id] = "too_much_text"
            continue
        try:
            document = await store.get(Document, id)
            characters += document.content_length  # also of a refused one: the unit of work keeps it
            begin_use(document, RIGHTS.get(cmd.action) or filing.right_to_file(document), actor, clock())
            if cmd.action == "move" and cmd.folder_id is not None:
                tree = trees.get(document.owner) or await tree_of(store, document.owner, clock())
                trees[document.owner] = tree
                tree.require("change", actor)
                tree.require_folder(cmd.folder_id)
            change(document)
        except Refusal as refusal:
            outcomes[id] = _outcome(refusal)
            continue
        changed.append(document)
        outcomes[id] = "done"
    store.save(*changed)
    return BulkResult([outcomes[id] for id in cmd.ids])


def _change_of(cmd: ChangeDocuments, actor: Actor, now: datetime) -> Callable[[Document], None]:
    """Return what the command does with a document."""
    match cmd.action:
        case "archive":
            return lambda document: filing.archive(document, by=actor, now=now)
        case "unarchive":
            return lambda document: filing.unarchive(document, by=actor, now=now)
        case "trash":
            return lambda document: document.trash(by=actor, now=now)
        case "restore":
            return lambda document: document.restore_from_trash(by=actor, now=now)
        case "tag":
            tags = [filing.usable_tag(tag) for tag in cmd.tags]
            return lambda document: filing.set_tags(document, [*document.tags, *tags], by=actor, now=now)
        case "move":
            return lambda document: filing.file(document, cmd.folder_id, by=actor, now=now)


def _outcome(refusal: Refusal) -> BulkOutcome:
    """Return the code of a refusal that concerns one document.

    Raises:
        Refusal: it concerns all of them.
    """
    if refusal.code not in get_args(BulkOutcome):
        raise refusal
    return cast(BulkOutcome, refusal.code)
