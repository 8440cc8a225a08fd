"""What is compared of a topic and the store, and how a difference between them is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec
from kafka import TopicPartition

from infra.kafka.client.ordered_reader import TopicRecord
from infra.kafka.client.record_format import EventRow

Kind = Literal["missing", "phantom", "changed", "reordered", "misplaced", "watermark", "stale"]


class SeenRecord(msgspec.Struct, frozen=True):
    """What matters of a record. `position`: None where it says none; `previous`: what it says comes before it."""

    offset: int
    position: int | None
    digest: bytes = b""
    previous: int | None = None
    is_watermark: bool = False


class ExpectedTopic(Protocol):
    """A topic of events, as it is compared with the store."""

    topic: str

    def holds(self, row: EventRow) -> bool:
        """Whether the event belongs into the topic."""

    def excuses(self, row: EventRow) -> bool:
        """Whether an event that belongs there may be missing, since nobody can read it."""

    def digest(self, row: EventRow) -> bytes:
        """Of what the topic should say about the event."""

    def find(self, record: TopicRecord) -> SeenRecord:
        """What matters of a record, with the digest of what it says."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where store and topics do not agree. `offset`: None where there is no record."""

    kind: Kind
    topic: str
    partition: int
    offset: int | None
    position: int | None
    detail: str

    def __str__(self) -> str:
        offset = "" if self.offset is None else f", offset {self.offset}"
        return f"{self.kind}: {self.detail} ({self.topic}, partition {self.partition}{offset})"


@dataclass(slots=True)
class RecordCount:
    """What was seen of one topic. `events`: as they should be; `skipped`: not there because nobody can read them."""

    events: int = 0
    repeats: int = 0
    watermarks: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class PositionRange:
    """Positions that were compared, with digests of what the store and the topics say about them."""

    first: int
    last: int
    store: str
    topics: str


@dataclass(slots=True)
class Report:
    """What came out, from position `first` to `last`. `difference` is the first there is."""

    first: int
    last: int
    counts: dict[str, RecordCount] = field(default_factory=dict)
    ranges: list[PositionRange] = field(default_factory=list)
    difference: Difference | None = None

    @property
    def ok(self) -> bool:
        """Whether the topics say what the store says."""
        return self.difference is None

    @property
    def events(self) -> int:
        """How many records are as they should be."""
        return sum(count.events for count in self.counts.values())

    @property
    def repeats(self) -> int:
        """How many records came again."""
        return sum(count.repeats for count in self.counts.values())


def first_of(differences: Sequence[Difference]) -> Difference | None:
    """The first in the log; of several at one position the one that says more than that it is missing."""
    return min(differences, key=lambda each: (each.position or 0, each.kind == "missing"), default=None)


def named(row: EventRow) -> str:
    """An event in words."""
    return f"position {row.position}, {row.topic} of {row.stream_id} v{row.version}"


def missing(place: TopicPartition, row: EventRow) -> Difference:
    """An event that is not where it should be."""
    return Difference("missing", place.topic, place.partition, None, row.position, named(row))


def phantom(place: TopicPartition, found: SeenRecord, why: str) -> Difference:
    """A record that should not be there."""
    what = "a record without a position" if found.position is None else f"position {found.position}"
    return Difference("phantom", place.topic, place.partition, found.offset, found.position, f"{what}, which {why}")


def late(place: TopicPartition, found: SeenRecord, row: EventRow, last: int | None) -> Difference:
    """An event that comes after one that it should come before."""
    return Difference(
        "reordered",
        place.topic,
        place.partition,
        found.offset,
        row.position,
        f"{named(row)}, comes after position {last}",
    )


def changed(place: TopicPartition, found: SeenRecord, row: EventRow, why: str) -> Difference:
    """A record that says something else than what was stored."""
    return Difference("changed", place.topic, place.partition, found.offset, row.position, f"{named(row)}, {why}")


def misplaced(place: TopicPartition, found: SeenRecord, row: EventRow, home: int) -> Difference:
    """An event in another partition than its stream's."""
    return Difference(
        "misplaced",
        place.topic,
        place.partition,
        found.offset,
        row.position,
        f"{named(row)}, belongs into partition {home}",
    )


def broken_promise(place: TopicPartition, found: SeenRecord, why: str) -> Difference:
    """A watermark that says too much, or an event that it is not true for."""
    return Difference(
        "watermark", place.topic, place.partition, found.offset, found.position, f"position {found.position} {why}"
    )
