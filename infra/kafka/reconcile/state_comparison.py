"""Proves that a compacted topic says of every stream what it is now: its newest version, or that it is gone."""

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
    begin_at,
    begins_of,
    ends_of,
    partitions_of,
)
from infra.kafka.reconcile.differences import Difference, RecordCount, first_of
from infra.kafka.reconcile.expected_topics import sequence
from infra.store.partitioner import key_of, partition_of

MOST_STREAMS = 500_000
"""How many streams are held in memory at once. A topic with more records than that is read several times."""
ASKED_AT_ONCE = 1_000

NEWEST = """
SELECT originator_id, max(originator_version), max(notification_id) FROM stored_events
WHERE topic = ANY(%s) AND get_byte(uuid_send(originator_id), 15) %% %s = %s GROUP BY originator_id
"""
VERSION = """
SELECT coalesce(max(originator_version), 0) FROM stored_events WHERE originator_id = %s AND topic = ANY(%s)
"""

Connection = psycopg.Connection[tuple[Any, ...]]
Gone = Callable[[type[Root], Sequence[UUID]], set[UUID]]
"""Which of the aggregates nothing is published of any more."""


@dataclass(frozen=True, slots=True)
class StateTopic:
    """A compacted topic and the kind of aggregates whose state it holds."""

    topic: str
    root: type[Root]

    def event_topics(self) -> list[str]:
        """The kinds of events its streams are made of."""
        return [kind.TOPIC for kind in vars(self.root).values() if isinstance(kind, type) and hasattr(kind, "TOPIC")]


class SeenState(msgspec.Struct, frozen=True):
    """A record. `version`: None says that the stream is gone."""

    key: bytes
    offset: int
    version: int | None
    position: int | None


class NewestState(msgspec.Struct, frozen=True):
    """A stream as the store has it: its last version, and the position of its last event."""

    stream_id: UUID
    version: int
    position: int


class StateComparison:
    """Compares a compacted topic with the store. What it lacks is waited for, `patience` seconds."""

    def __init__(
        self,
        store: Connection,
        consumer: KafkaConsumer,
        topic: StateTopic,
        partitions: int,
        gone: Gone,
        patience: float,
    ) -> None:
        self._store, self._consumer, self._topic, self._gone, self._patience = store, consumer, topic, gone, patience
        self._places = partitions_of(consumer, [topic.topic], patience)
        self._partitions = len(self._places) or partitions
        self.count = RecordCount()

    def run(self) -> Difference | None:
        """The first difference, by the positions of the streams' last events; None: there is none.

        Raises:
            Unavailable: Kafka does not answer.
        """
        begins, ends = begins_of(self._consumer, self._places), ends_of(self._consumer, self._places)
        passes = 1 + sum(ends[place] - begins[place] for place in self._places) // MOST_STREAMS
        return first_of([each for n in range(passes) if (each := self._compare(passes, n))])

    def _compare(self, passes: int, n: int) -> Difference | None:
        begin_at(self._consumer, self._places, 1, lambda record: _said(record).position)
        reader = OrderedReader(self._consumer, _said)
        said: dict[bytes, tuple[TopicPartition, SeenState]] = {}
        self._read(reader, said, passes, n)
        suspects = self._suspects(said, passes, n)
        for _ in attempts(self._patience):
            if not suspects:
                break
            reader.look()
            self._read(reader, said, passes, n)
            suspects = [stream for stream in suspects if self._fault(stream, said.get(key_of(stream.stream_id)))]
        wrong = [self._fault(stream, said.get(key_of(stream.stream_id))) for stream in self._there(suspects, said)]
        for stream in suspects:
            said.pop(key_of(stream.stream_id), None)
        return first_of([*filter(None, wrong), *self._phantoms(said)])

    def _suspects(self, said: dict[bytes, tuple[TopicPartition, SeenState]], passes: int, n: int) -> list[NewestState]:
        """Streams of which something else is said than is so; others are taken out of what was said."""
        suspects: list[NewestState] = []
        unsaid: list[NewestState] = []
        for stream in self._newest(passes, n):
            record = said.get(key_of(stream.stream_id))
            if record is None or record[1].version is None:
                unsaid.append(stream)
                if len(unsaid) >= ASKED_AT_ONCE:
                    suspects += self._there(unsaid, said)
                    unsaid.clear()
            elif self._fault(stream, record):
                suspects.append(stream)
            else:
                self.count.events += 1
                del said[key_of(stream.stream_id)]
        return suspects + self._there(unsaid, said)

    def _there(
        self, streams: Sequence[NewestState], said: Mapping[bytes, tuple[TopicPartition, SeenState]]
    ) -> list[NewestState]:
        """All but those of which nothing is said, and rightly so."""
        unsaid = [
            stream.stream_id
            for stream in streams
            if (record := said.get(key_of(stream.stream_id))) is None or record[1].version is None
        ]
        gone = self._gone(self._topic.root, unsaid) if unsaid else set()
        return [stream for stream in streams if stream.stream_id not in gone]

    def _read(
        self, reader: OrderedReader[SeenState], said: dict[bytes, tuple[TopicPartition, SeenState]], passes: int, n: int
    ) -> None:
        for place, record in reader.upto():
            if _bucket(record.key) % passes == n:
                said[record.key] = place, record

    def _newest(self, passes: int, n: int) -> Iterator[NewestState]:
        with self._store.transaction(), self._store.cursor("newest", binary=True) as cursor:
            for row in cursor.execute(NEWEST, [self._topic.event_topics(), passes, n]):
                yield NewestState(*row)

    def _fault(self, stream: NewestState, said: tuple[TopicPartition, SeenState] | None) -> Difference | None:
        """What is wrong with what is said of a stream that is there."""
        home = partition_of(key_of(stream.stream_id), self._partitions)
        what = f"{self._topic.root.__name__} {stream.stream_id} v{stream.version}"
        if said is None or said[1].version is None:
            offset = None if said is None else said[1].offset
            return Difference("missing", self._topic.topic, home, offset, stream.position, what)
        place, record = said
        at = (self._topic.topic, place.partition, record.offset, stream.position)
        if place.partition != home:
            return Difference("misplaced", *at, f"{what} belongs into partition {home}")
        if record.version != stream.version:
            return self._other(at, stream, record, what)
        return None

    def _other(
        self, at: tuple[str, int, int, int], stream: NewestState, record: SeenState, what: str
    ) -> Difference | None:
        if (record.version or 0) < stream.version:
            return Difference("stale", *at, f"{what} is there as v{record.version}")
        if (record.version or 0) <= self._version(stream.stream_id):
            return None
        return Difference("phantom", *at, f"{what} is there as v{record.version}, which is not committed")

    def _phantoms(self, said: Mapping[bytes, tuple[TopicPartition, SeenState]]) -> Iterator[Difference]:
        """Records of streams that there are none of; a stream may have been begun meanwhile."""
        for key, (place, record) in said.items():
            stream_id = _uuid(key)
            if record.version is not None and (stream_id is None or self._version(stream_id) < record.version):
                name = key.decode(errors="replace")
                what = f"the state of {name} v{record.version}, which is not committed"
                yield Difference("phantom", self._topic.topic, place.partition, record.offset, record.position, what)

    def _version(self, stream_id: UUID) -> int:
        row = self._store.execute(VERSION, [stream_id, self._topic.event_topics()]).fetchone()
        assert row is not None
        return row[0]  # type: ignore[no-any-return]


def _said(record: TopicRecord) -> SeenState:
    headers = dict(record.headers)
    version = headers.get("ce_streamversion") or b""
    known = int(version) if record.value and version.isdigit() else (None if record.value is None else 0)
    return SeenState(record.key or b"", record.offset, known, sequence(headers))


def _bucket(key: bytes) -> int:
    """The id's last byte, as the query for the newest versions splits them."""
    try:
        return int(key[-2:], 16)
    except ValueError:
        return 0


def _uuid(key: bytes) -> UUID | None:
    try:
        return UUID(key.decode())
    except ValueError:
        return None
