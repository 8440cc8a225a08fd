"""Where a text goes: at the end of the document, in place of it or of a passage, at a place in it, or nowhere yet."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from domain.access import Person
from domain.content.document import Document
from domain.content.edits import Edit, edit
from domain.generation.refusals import PassageGone, UnusablePlacement

Target = Literal["append", "replace", "passage", "insert", "draft"]

PARAGRAPH = "\n\n"
"""What separates an appended text from the text before it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a text goes. `start`, `end`: characters (code points, from 0) of the content of `version`.

    "append" and "draft" have none of them, "replace" has the version only, "insert" the version and `start`, and
    "passage" all.
    """

    target: Target = "append"
    version: int | None = None
    start: int | None = None
    end: int | None = None

    def usable_in(self, document: Document) -> "Placement":
        """Return the placement, with the current version of the document where it needs one and names none.

        Raises:
            UnusablePlacement: it lacks what its kind needs, has what its kind does not take, or is outside the content.
            PassageGone: the document has another version by now.
        """
        if self.target in ("append", "draft"):
            self._require(self.version is None and self.start is None and self.end is None)
            return self
        placed = Placement(self.target, self.version or document.revision, self.start, self.end)
        placed._require((self.start is not None) == (self.target != "replace"))
        placed._require((self.end is not None) == (self.target == "passage"))
        placed.require_current(document)
        start, end = placed.bounds(document)
        placed._require(0 <= start <= end <= len(document.content))
        return placed

    def require_current(self, document: Document) -> None:
        """Refuse a place in a version that is not the current one. Raises `PassageGone`."""
        if self.version is not None and self.version != document.revision:
            raise PassageGone(
                f"The document is at version {document.revision}, and the place belongs to version {self.version}; "
                "read the document again and name a place in it."
            )

    def bounds(self, document: Document) -> tuple[int, int]:
        """Return the start and the end of what the text replaces."""
        if self.target == "replace":
            return 0, len(document.content)
        if self.start is None:
            return len(document.content), len(document.content)
        return self.start, self.start if self.end is None else self.end

    def _require(self, usable: bool) -> None:
        if not usable:
            raise UnusablePlacement(
                "`replace` takes a version at most, `insert` also `start`, `passage` also `start` and `end`, all in "
                "the content; `append` and `draft` take none of them."
            )


@dataclass(frozen=True, slots=True)
class WrittenPassage:
    """A text in a document: the characters from `start` to `end` of the content of `revision`."""

    revision: int
    start: int
    end: int


def write(document: Document, placement: Placement, text: str, *, by: Person, now: datetime) -> WrittenPassage:
    """Save the document with the text at its place.

    Raises:
        NotFound, RoleTooLow: the person may not edit the document.
        PassageGone: the document has changed since the version of the place.
        UnusableText: the content would be too long.
        DocumentIsTrashed, DocumentIsArchived: the document's state does not allow it.
    """
    document.require_editable(by)
    placement.require_current(document)
    start, end = placement.bounds(document)
    before = PARAGRAPH if placement.target in ("append", "draft") and document.content else ""
    edit(document, [Edit(start, end - start, before + text)], by=by, now=now)
    start += len(before)
    return WrittenPassage(document.revision, start, start + len(text))
