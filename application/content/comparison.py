"""Differences between two versions of a document, in two forms: changed words, and a unified diff of the content."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import ReadResult
from application.content.document import DocumentView, document_at_version
from application.ports import Actor, EventStore
from domain.content.comparison import unified_diff, word_changes


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A title or a status, before and after."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class WordChange:
    """Words that changed: their places in both contents, in code points, and their texts."""

    from_start: int
    from_end: int
    to_start: int
    to_end: int
    deleted: str
    inserted: str


def changed_words(old: str, new: str) -> list[WordChange]:
    """Return the words that differ between two texts."""
    return [
        WordChange(start, end, to_start, to_end, old[start:end], new[to_start:to_end])
        for start, end, to_start, to_end in word_changes(old, new)
    ]


@dataclass(frozen=True, slots=True)
class VersionDifference:
    """What differs between two versions. `title`, `status`: None if they are the same."""

    from_version: int
    to_version: int
    title: FieldChange | None
    status: FieldChange | None
    changes: list[WordChange]


@dataclass(frozen=True, slots=True)
class TwoVersions:
    """A document at two versions."""

    before: DocumentView
    after: DocumentView

    def difference(self) -> VersionDifference:
        """Return what differs, the content by words."""
        old, new = self.before.content, self.after.content
        title = _field_change(self.before.title, self.after.title)
        status = _field_change(self.before.status, self.after.status)
        return VersionDifference(self.before.version, self.after.version, title, status, changed_words(old, new))

    def unified(self) -> str:
        """Return a unified diff of the contents."""
        names = f"version-{self.before.version}", f"version-{self.after.version}"
        return unified_diff(self.before.content, self.after.content, *names)


def _field_change(before: str, after: str) -> FieldChange | None:
    return None if before == after else FieldChange(before, after)


async def two_versions(
    events: EventStore, actor: Actor, id: UUID, first: int, second: int, now: datetime
) -> ReadResult[TwoVersions]:
    """Return the document at two versions, if the actor may read it now.

    Raises:
        NotFound: the document does not exist for the actor, or has no such version.
        VersionHidden: the plan of the owner hides one of the versions now.
    """
    after = await document_at_version(events, actor, id, second, now)
    before = await document_at_version(events, actor, id, first, now)
    return ReadResult(TwoVersions(before.view, after.view), after.causes)
