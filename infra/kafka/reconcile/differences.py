"""What reconcile compares, and the differences that it reports."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec
from kafka import TopicPartition

from infra.kafka.client.ordered_reader import TopicRecord
from infra.kafka.client.record_format import EventRow

Kind = Literal["missing", "phantom", "changed", "reordered", "misplaced", "watermark", "stale"]


class SeenRecord(msgspec.Struct, frozen=True):
    """The compared parts of a record. `position`, `previous`: from its header; None if it has none."""

    offset: int
    position: int | None
    digest: bytes = b""
    previous: int | None = None
    is_watermark: bool = False


class ExpectedTopic(Protocol):
    """A topic of events, and what it should hold."""

    topic: str

    def contains(self, row: EventRow) -> bool:
        """Whether the event belongs to the topic."""

    def may_be_missing(self, row: EventRow) -> bool:
        """Whether an event that belongs to the topic may be missing, because it cannot be read."""

    def digest(self, row: EventRow) -> bytes:
        """The digest of the record that the event should have."""

    def parse(self, record: TopicRecord) -> SeenRecord:
        """The compared parts of a record, with their digest."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between store and topics. `offset`: None if there is no record."""

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
    """Counts of one topic. `events`: correct ones; `skipped`: missing because they cannot be read."""

    events: int = 0
    repeats: int = 0
    watermarks: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class PositionRange:
    """A compared range of positions, with the digests of the store and of the topics."""

    first: int
    last: int
    store: str
    topics: str


@dataclass(slots=True)
class Report:
    """The result, from position `first` to `last`. `difference`: the first one."""

    first: int
    last: int
    counts: dict[str, RecordCount] = field(default_factory=dict)
    ranges: list[PositionRange] = field(default_factory=list)
    difference: Difference | None = None

    @property
    def ok(self) -> bool:
        """Whether the topics agree with the store."""
        return self.difference is None

    @property
    def events(self) -> int:
        """The number of correct records."""
        return sum(count.events for count in self.counts.values())

    @property
    def repeats(self) -> int:
        """The number of repeated records."""
        return sum(count.repeats for count in self.counts.values())


def first_of(differences: Sequence[Difference]) -> Difference | None:
    """The first difference in the log. At one position, any other kind goes before `missing`."""
    return min(differences, key=lambda each: (each.position or 0, each.kind == "missing"), default=None)


def describe(row: EventRow) -> str:
    """An event in words."""
    return f"position {row.position}, {row.topic} of {row.stream_id} v{row.version}"


def missing(partition: TopicPartition, row: EventRow) -> Difference:
    """An event that its partition lacks."""
    return Difference("missing", partition.topic, partition.partition, None, row.position, describe(row))


def phantom(partition: TopicPartition, seen: SeenRecord, why: str) -> Difference:
    """A record that should not exist."""
    what = "a record without a position" if seen.position is None else f"position {seen.position}"
    return Difference(
        "phantom", partition.topic, partition.partition, seen.offset, seen.position, f"{what}, which {why}"
    )


def reordered(partition: TopicPartition, seen: SeenRecord, row: EventRow, last: int | None) -> Difference:
    """An event that comes after a later one."""
    return Difference(
        "reordered",
        partition.topic,
        partition.partition,
        seen.offset,
        row.position,
        f"{describe(row)}, comes after position {last}",
    )


def changed(partition: TopicPartition, seen: SeenRecord, row: EventRow, why: str) -> Difference:
    """A record that differs from the stored event."""
    return Difference(
        "changed", partition.topic, partition.partition, seen.offset, row.position, f"{describe(row)}, {why}"
    )


def misplaced(partition: TopicPartition, seen: SeenRecord, row: EventRow, expected: int) -> Difference:
    """An event in another partition than its stream's."""
    return Difference(
        "misplaced",
        partition.topic,
        partition.partition,
        seen.offset,
        row.position,
        f"{describe(row)}, belongs to partition {expected}",
    )


def false_watermark(partition: TopicPartition, seen: SeenRecord, why: str) -> Difference:
    """A watermark that guarantees too much, or an event that breaks a watermark's guarantee."""
    return Difference(
        "watermark", partition.topic, partition.partition, seen.offset, seen.position, f"position {seen.position} {why}"
    )
