"""A small read model of which the tests know everything."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from application.ports import RecordedEvent
from projections.kernel import CacheSpec, Change, PersonalData, ReadModel, Row, Table
from tests.support.note import Note

BY_ID = "SELECT id, text, lines FROM read.notes WHERE id = ANY(%s)"


@dataclass(frozen=True, slots=True)
class NoteView:
    """A note as it is read."""

    id: UUID
    text: str
    lines: int


class Notes(ReadModel):
    """Notes with their lines, until they are relabelled; the line "!raise" cannot be projected."""

    version = 1
    roots = (Note,)
    personal = PersonalData("what a test writes", "with the database of the test")
    table = Table(
        "notes",
        key={"id": "uuid"},
        columns={"text": "text NOT NULL", "colour": "text NOT NULL", "lines": "bigint NOT NULL"},
        indexes=["(colour)"],
    )
    cached = CacheSpec("note", NoteView, BY_ID, ttl=timedelta(minutes=5))

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Note.Written(text=text, colour=colour):
                yield self.table.put(event.stream_id, text=text, colour=colour, lines=1)
            case Note.Extended(line="!raise"):
                raise RuntimeError("not this one")
            case Note.Extended(line=line):
                yield self.table.set(event.stream_id, text=_and(line), lines=lambda row: row["lines"] + 1)
            case Note.Relabelled():
                yield self.table.drop(event.stream_id)


def _and(line: str) -> Callable[[Row], str]:
    return lambda row: f"{row['text']}\n{line}"


def note(number: int, *lines: str) -> Note:
    """A note with these lines, all pending."""
    root = Note.write(UUID(int=number), f"note {number}")
    for line in lines:
        root.extend(line)
    return root
