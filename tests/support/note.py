"""A small aggregate that uses everything the store offers, so that its tests need no other."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.kernel import AboutAddress, Claim, FirstEvent, Party, Personal, Root

AUTHOR = UUID(int=1)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Note(Root):
    """A note with a unique label and readers by address."""

    TOPIC = "note"

    class Written(FirstEvent):
        TOPIC = "note.written"
        class_version = 2
        text: Personal[str]
        label: Personal[str]
        author_id: UUID
        colour: str

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["colour"] = "white"

        def claims(self) -> Iterable[Claim]:
            return [Claim("note_label", self.label)]

        def apply(self, aggregate: "Note") -> None:
            aggregate.lines = [self.text]
            aggregate.label = self.label
            aggregate.colour = self.colour
            aggregate.readers = set()
            aggregate.seen = {self.author_id: self.timestamp}

    class Extended(Root.Event):
        TOPIC = "note.extended"
        line: Personal[str]

        def apply(self, aggregate: "Note") -> None:
            aggregate.lines.append(self.line)

    class Relabelled(Root.Event):
        TOPIC = "note.relabelled"
        old: Personal[str]
        label: Personal[str]

        def claims(self) -> Iterable[Claim]:
            return [Claim("note_label", self.label)]

        def releases(self) -> Iterable[Claim]:
            return [Claim("note_label", self.old)]

        def apply(self, aggregate: "Note") -> None:
            aggregate.label = self.label

    class ShownTo(Root.Event):
        TOPIC = "note.shown_to"
        address_id: UUID
        email: AboutAddress[str]

        def apply(self, aggregate: "Note") -> None:
            aggregate.readers.add(self.address_id)

    class Erased(Root.Event):
        TOPIC = "note.erased"
        erases = True

        def apply(self, aggregate: "Note") -> None:
            aggregate.erased = True

    lines: list[str]
    label: str
    colour: str
    readers: set[UUID]
    seen: dict[UUID, datetime]

    @classmethod
    def write(cls, id: UUID, text: str, label: str = "") -> "Note":
        label = label or str(id)
        return cls.start_stream(
            cls.Written,
            id=id,
            tenant=Party("user", AUTHOR),
            now=NOW,
            text=text,
            label=label,
            author_id=AUTHOR,
            colour="yellow",
        )

    def extend(self, line: str) -> None:
        self.trigger_event(self.Extended, now=NOW, line=line)

    def relabel(self, label: str) -> None:
        self.trigger_event(self.Relabelled, now=NOW, old=self.label, label=label)

    def show_to(self, address_id: UUID, email: str) -> None:
        self.trigger_event(self.ShownTo, now=NOW, address_id=address_id, email=email)

    def erase(self) -> None:
        self.trigger_event(self.Erased, now=NOW)
