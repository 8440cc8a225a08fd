"""Edits of a content: a client says what it replaces, so that neither side sends or compares the whole text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from domain.access import Person
from domain.content import delta
from domain.content.delta import Delta, common_end, common_start
from domain.content.refusals import UnusableEdits
from domain.content.saving import save
from domain.content.texts import usable_content

if TYPE_CHECKING:
    from domain.content.document import Document

MAX_EDITS = 100
"""Maximum number of edits of one save."""
INSERT_LENGTH = 10_000
"""Maximum number of characters that one edit inserts."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement: from the character `at` of the content, `delete` characters by the text `insert`.

    Characters are code points, counted from 0 in the content before all edits.
    """

    at: int
    delete: int
    insert: str


def edit(document: "Document", edits: Sequence[Edit], *, by: Person, now: datetime) -> None:
    """Save the content with these edits. If it stays the same, there is no event.

    Raises:
        NotFound, RoleTooLow: the person may not edit the document.
        UnusableEdits: the edits are out of order, overlap, or reach beyond the content.
        UnusableText: the content would not be valid.
        DocumentIsTrashed, DocumentIsArchived: the document's state does not allow it.
    """
    document.require_editable(by)
    steps = delta_of(document.content, edits)
    content = usable_content(delta.apply(document.content, steps))
    save(document, document.title, content, document.status, now, steps=steps)


def delta_of(content: str, edits: Sequence[Edit]) -> Delta:
    """Return the delta that the edits make. What an edit deletes and inserts again at its ends, it keeps.

    Raises:
        UnusableEdits: they are out of order, overlap, or reach beyond the content.
    """
    return delta.from_replacements(_replacements(content, edits))


def _replacements(content: str, edits: Sequence[Edit]) -> Iterator[tuple[int, int, str]]:
    free = 0
    for number, each in enumerate(edits, start=1):
        end = each.at + each.delete
        if not free <= each.at <= end <= len(content):
            raise UnusableEdits(
                f"Edit {number} replaces the characters {each.at} to {end}, and may begin at {free} and end at "
                f"{len(content)}. Sort the edits by `at`, let none overlap the one before, and count code points."
            )
        free = end
        old = content[each.at : end]
        start = common_start(old, each.insert)
        tail = common_end(old, each.insert, min(len(old), len(each.insert)) - start)
        yield each.at + start, end - tail, each.insert[start : len(each.insert) - tail]
