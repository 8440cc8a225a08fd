"""Compares a compacted topic with the store: the newest version of each stream, or a tombstone if it is closed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from kafka import KafkaConsumer, TopicPartition

from domain.kernel import Root
from infra.kafka.client.ordered_reader import (
    OrderedReader,
    TopicRecord,
    attempts,
    beginning_offsets,
    end_offsets,
    partitions_of,
    seek_to_position,
)
from infra.kafka.client.record_format import key_of
from infra.kafka.client.topics import partition_of
from infra.kafka.reconcile.differences import Difference, RecordCount, first_of
from infra.kafka.reconcile.expected_topics import position_in

MAX_STREAMS = 500_000
"""Streams that are held in memory. A topic with more records is read several times, for a part of the streams each."""
CLOSED_BATCH = 1_000
"""Streams that `FindClosed` gets in one call."""

NEWEST = """
SELECT originator_id, max(originator_version), max(notification_id) FROM stored_events
WHERE topic = ANY(%s) AND get_byte(uuid_send(originator_id), 15) %% %s = %s GROUP BY originator_id
"""
VERSION = """
SELECT coalesce(max(originator_version), 0) FROM stored_events WHERE originator_id = %s AND topic = ANY(%s)
"""

Connection = psycopg.Connection[tuple[Any, ...]]
FindClosed = Callable[[type[Root], Sequence[UUID]], set[UUID]]
"""Finds the aggregates without a public state."""


@dataclass(frozen=True, slots=True)
class StateTopic:
    """A compacted topic, and the aggregate class whose states it holds."""

    topic: str
    root: type[Root]

    def event_topics(self) -> list[str]:
        """The topics of the events in its streams."""
        return [kind.TOPIC for kind in vars(self.root).values() if isinstance(kind, type) and hasattr(kind, "TOPIC")]


class SeenState(msgspec.Struct, frozen=True):
    """The state in a record. `version`: None for a tombstone."""

    key: bytes
    offset: int
    version: int | None
    position: int | None


class NewestVersion(msgspec.Struct, frozen=True):
    """A stream in the store: its last version, and the position of its last event."""

    stream_id: UUID
    version: int
    position: int


class StateComparison:
    """Compares a compacted topic with the store. `timeout`: seconds to wait for missing states."""

    def __init__(
        self,
        store: Connection,
        consumer: KafkaConsumer,
        topic: StateTopic,
        partitions: int,
        find_closed: FindClosed,
        timeout: float,
    ) -> None:
        self._store, self._consumer, self._topic = store, consumer, topic
        self._find_closed, self._timeout = find_closed, timeout
        self._partitions = partitions_of(consumer, [topic.topic], timeout)
        self._partition_count = len(self._partitions) or partitions
        self.count = RecordCount()

    def run(self) -> Difference | None:
        """Compare. Returns the first difference, by the positions of the streams' last events; None if there is none.

        Raises:
            Unavailable: Kafka does not answer.
        """
        begins = beginning_offsets(self._consumer, self._partitions)
        ends = end_offsets(self._consumer, self._partitions)
        passes = 1 + sum(ends[each] - begins[each] for each in self._partitions) // MAX_STREAMS
        return first_of([each for n in range(passes) if (each := self._compare(passes, n))])

    def _compare(self, passes: int, n: int) -> Difference | None:
        seek_to_position(self._consumer, self._partitions, 1, lambda record: _parse(record).position)
        reader = OrderedReader(self._consumer, _parse)
        seen: dict[bytes, tuple[TopicPartition, SeenState]] = {}
        self._read(reader, seen, passes, n)
        suspects = self._suspects(seen, passes, n)
        for _ in attempts(self._timeout):
            if not suspects:
                break
            reader.refresh_ends()
            self._read(reader, seen, passes, n)
            suspects = [stream for stream in suspects if self._fault(stream, seen.get(key_of(stream.stream_id)))]
        faults = [self._fault(stream, seen.get(key_of(stream.stream_id))) for stream in self._open(suspects, seen)]
        for stream in suspects:
            seen.pop(key_of(stream.stream_id), None)
        return first_of([*filter(None, faults), *self._phantoms(seen)])

    def _suspects(
        self, seen: dict[bytes, tuple[TopicPartition, SeenState]], passes: int, n: int
    ) -> list[NewestVersion]:
        """Streams whose record is missing or differs. Correct records are removed from `seen`."""
        suspects: list[NewestVersion] = []
        stateless: list[NewestVersion] = []
        for stream in self._newest(passes, n):
            record = seen.get(key_of(stream.stream_id))
            if record is None or record[1].version is None:
                stateless.append(stream)
                if len(stateless) >= CLOSED_BATCH:
                    suspects += self._open(stateless, seen)
                    stateless.clear()
            elif self._fault(stream, record):
                suspects.append(stream)
            else:
                self.count.events += 1
                del seen[key_of(stream.stream_id)]
        return suspects + self._open(stateless, seen)

    def _open(
        self, streams: Sequence[NewestVersion], seen: Mapping[bytes, tuple[TopicPartition, SeenState]]
    ) -> list[NewestVersion]:
        """The streams without those that have no record, or a tombstone, because they are closed."""
        stateless = [
            stream.stream_id
            for stream in streams
            if (record := seen.get(key_of(stream.stream_id))) is None or record[1].version is None
        ]
        closed = self._find_closed(self._topic.root, stateless) if stateless else set()
        return [stream for stream in streams if stream.stream_id not in closed]

    def _read(
        self, reader: OrderedReader[SeenState], seen: dict[bytes, tuple[TopicPartition, SeenState]], passes: int, n: int
    ) -> None:
        for partition, record in reader.read_to_position():
            if _bucket(record.key) % passes == n:
                seen[record.key] = partition, record

    def _newest(self, passes: int, n: int) -> Iterator[NewestVersion]:
        with self._store.transaction(), self._store.cursor("newest", binary=True) as cursor:
            for row in cursor.execute(NEWEST, [self._topic.event_topics(), passes, n]):
                yield NewestVersion(*row)

    def _fault(self, stream: NewestVersion, seen: tuple[TopicPartition, SeenState] | None) -> Difference | None:
        """The difference between a stream and its record."""
        expected = partition_of(key_of(stream.stream_id), self._partition_count)
        what = f"{self._topic.root.__name__} {stream.stream_id} v{stream.version}"
        if seen is None or seen[1].version is None:
            offset = None if seen is None else seen[1].offset
            return Difference("missing", self._topic.topic, expected, offset, stream.position, what)
        partition, record = seen
        at = (self._topic.topic, partition.partition, record.offset, stream.position)
        if partition.partition != expected:
            return Difference("misplaced", *at, f"{what} belongs to partition {expected}")
        if record.version != stream.version:
            return self._version_fault(at, stream, record, what)
        return None

    def _version_fault(
        self, at: tuple[str, int, int, int], stream: NewestVersion, record: SeenState, what: str
    ) -> Difference | None:
        if (record.version or 0) < stream.version:
            return Difference("stale", *at, f"{what} is published as v{record.version}")
        if (record.version or 0) <= self._version(stream.stream_id):
            return None
        return Difference("phantom", *at, f"{what} is published as v{record.version}, which is not committed")

    def _phantoms(self, seen: Mapping[bytes, tuple[TopicPartition, SeenState]]) -> Iterator[Difference]:
        """Records of streams that do not exist. A stream may have been created since the comparison began."""
        for key, (partition, record) in seen.items():
            stream_id = _stream_id(key)
            if record.version is not None and (stream_id is None or self._version(stream_id) < record.version):
                name = key.decode(errors="replace")
                what = f"the state of {name} v{record.version}, which is not committed"
                yield Difference(
                    "phantom", self._topic.topic, partition.partition, record.offset, record.position, what
                )

    def _version(self, stream_id: UUID) -> int:
        row = self._store.execute(VERSION, [stream_id, self._topic.event_topics()]).fetchone()
        assert row is not None
        return row[0]  # type: ignore[no-any-return]


def _parse(record: TopicRecord) -> SeenState:
    headers = dict(record.headers)
    version = headers.get("ce_streamversion") or b""
    known = int(version) if record.value and version.isdigit() else (None if record.value is None else 0)
    return SeenState(record.key or b"", record.offset, known, position_in(headers))


def _bucket(key: bytes) -> int:
    """The last byte of the stream id, by which the query `NEWEST` splits the streams."""
    try:
        return int(key[-2:], 16)
    except ValueError:
        return 0


def _stream_id(key: bytes) -> UUID | None:
    try:
        return UUID(key.decode())
    except ValueError:
        return None
