"""Keeps the compacted topics: of each stream that has changed, what is published of its state now, or a tombstone.

It follows behind the relay, page by page, and tells of a stream that changes often only what it has come to.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from threading import Event
from time import monotonic, time
from typing import Any, Protocol
from uuid import UUID

import psycopg
import structlog
from kafka import KafkaConsumer, TopicPartition
from prometheus_client import Counter

from adapters.integration_events.cloudevents import CloudEvents
from adapters.integration_events.kernel import STATES
from domain.kernel import Root
from infra.errors import SetupError
from infra.kafka.client.batch_producer import (
    DELIVERY_SECONDS,
    BatchProducer,
    PublishFailed,
    RecordBatch,
    encode_headers,
    with_length,
)
from infra.kafka.client.topics import Topics
from infra.kafka.relay import checkpoints
from infra.kafka.relay.checkpoints import SEQUENCE, PartitionEnd
from infra.kafka.relay.leader_lease import NoLongerLeading
from infra.kafka.relay.topic_setup import Settings, connect, consumer_of, outlet_to, prepare
from infra.store.partitioner import key_of, partition_of

PAGE_EVENTS = 2_000
PAUSE_SECONDS = 1.0
ROUND_SECONDS = 0.2
BEHIND_SECONDS = 2.0
"""Between rounds while the relay has a backlog: history comes first."""
CHECK_SECONDS = 5.0
SAVE_SECONDS = 1.0

# Streams that come again before `upto` are told then.
CHANGED = """
SELECT id, topic, position, EXISTS (
    SELECT FROM stored_events later
    WHERE later.originator_id = id AND later.originator_version > version AND later.notification_id <= %(upto)s
)
FROM (
    SELECT originator_id, min(topic), max(notification_id), max(originator_version)
    FROM (
        SELECT originator_id, topic, notification_id, originator_version FROM stored_events
        WHERE notification_id > %(after)s AND notification_id <= %(upto)s ORDER BY notification_id LIMIT %(limit)s
    ) AS page
    GROUP BY originator_id
) AS changed (id, topic, position, version)
"""

Range = tuple[TopicPartition, int, int]
"""Records of a place, from an offset to the one before another."""

Wanted = tuple[type[Root], UUID]
Load = Callable[[Sequence[Wanted]], Sequence[Root | Exception | None]]
"""The aggregates as they are now; None for one that is not there, an error for one that cannot be read."""

log = structlog.get_logger(__name__)

failed_counter = Counter("palimpsest_relay_states_skipped", "States left out, as they could not be read or mapped")


class Leader(Protocol):
    """The relay in whose wake the states are published."""

    @property
    def position(self) -> int | None:
        """Kafka has all events up to there; None: unknown."""

    @property
    def has_backlog(self) -> bool:
        """Whether there is more than the relay has read."""

    def holds(self) -> bool:
        """Whether it leads, beyond doubt."""


class StatePublisher:
    """Publishes states for as long as the relay of this process leads."""

    def __init__(self, url: str, kafka: Settings, names: Topics, contract: CloudEvents, leader: Leader, load: Load):
        self._url = url
        self._kafka = kafka
        self._topics = names
        self._contract = contract
        self._leader = leader
        self._load = load
        self._stopping = Event()

    def stop(self) -> None:
        """Let `run` end soon."""
        self._stopping.set()

    def run(self) -> None:
        """Publish until `stop`; what is down is waited for. It blocks: give it a thread.

        Raises:
            WrongPartitions: a topic is not as it was when its streams were spread over it.
        """
        while not self._stopping.wait(PAUSE_SECONDS):
            if self._leader.holds():
                try:
                    self._publish()
                except SetupError:
                    raise
                except Exception as error:
                    log.warning("states are not published; trying again", error=type(error).__name__)

    def _publish(self) -> None:
        names = self._topics.states()
        with connect(self._url) as connection:
            found = prepare(connection, self._kafka, self._topics, names)
            with closing(consumer_of(self._kafka)) as consumer, closing(outlet_to(self._kafka, names)) as outlet:
                rounds = StatePublishSession(
                    connection, consumer, outlet, self._topics, found, self._contract, self._load
                )
                while self._leader.holds() and not self._stopping.is_set():
                    more = rounds.run(self._leader.position or 0, self._leader.holds)
                    if not more or self._leader.has_backlog:
                        self._stopping.wait(BEHIND_SECONDS if self._leader.has_backlog else ROUND_SECONDS)


class StatePublishSession:
    """What is done again and again with one producer."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        consumer: KafkaConsumer,
        outlet: BatchProducer,
        names: Topics,
        found: dict[TopicPartition, PartitionEnd],
        contract: CloudEvents,
        load: Load,
    ) -> None:
        self._connection = connection
        self._consumer = consumer
        self._outlet = outlet
        self._topics = names
        self._ends = found
        self._contract = contract
        self._load = load
        self._read = min(end.position for end in found.values())
        self._roots = {root.TOPIC: root for root in STATES}  # type: ignore[attr-defined]
        self._saved = (self._read, monotonic())
        self._checked_at = monotonic()

    def run(self, upto: int, may_publish: Callable[[], bool]) -> bool:
        """Publish the states of the next streams that changed up to a position. Answers whether there were any.

        Raises:
            PublishFailed: some records may not have arrived.
            NoLongerLeading: the states have not been sent.
            Unavailable, psycopg.Error: the database does not answer.
            kafka.errors.KafkaError: the broker does not.
        """
        parameters = {"after": self._read, "upto": upto, "limit": PAGE_EVENTS}
        changed = self._connection.execute(CHANGED, parameters, binary=True).fetchall()
        position = max((row[2] for row in changed), default=self._read)
        self._tell([(topic, stream_id) for stream_id, topic, _, again in changed if not again], position, may_publish)
        self._read = position
        self._save()
        if monotonic() - self._checked_at >= CHECK_SECONDS:
            self._check(may_publish)
        return bool(changed)

    def _tell(self, streams: Iterable[tuple[str, UUID]], position: int, may_publish: Callable[[], bool]) -> None:
        wanted = [(root, id) for topic, id in streams if (root := self._roots.get(topic.partition(".")[0]))]
        batches: dict[TopicPartition, RecordBatch] = {}
        for (root, stream_id), aggregate in zip(wanted, self._load(wanted), strict=True):
            key = key_of(stream_id)
            place = (self._topics.state(root.TOPIC), partition_of(key, self._topics.partitions))  # type: ignore[attr-defined]
            record = self._record(stream_id, aggregate, position)
            if record is not None:
                value, headers = record
                batch = batches.setdefault(place, RecordBatch())
                batch.add(int(time() * 1000), with_length(key), value, encode_headers(headers))
        if batches:
            if not may_publish():
                raise NoLongerLeading
            self._send(batches, position, may_publish)

    def _record(
        self, stream_id: UUID, aggregate: Root | Exception | None, position: int
    ) -> tuple[bytes | None, list[tuple[str, bytes]]] | None:
        """Value and headers; no value: a tombstone. None: nothing can be told."""
        try:
            if isinstance(aggregate, Exception):
                raise aggregate
            state = None if aggregate is None else self._contract.public_state(aggregate, position)
        except Exception as error:
            failed_counter.inc()
            log.error("state left out", stream_id=str(stream_id), error=type(error).__name__)
            return None
        return (None, [(SEQUENCE, b"%d" % position)]) if state is None else (state.value, state.headers)

    def _send(
        self, batches: Mapping[TopicPartition, RecordBatch], position: int, may_publish: Callable[[], bool]
    ) -> None:
        flight = self._outlet.hand(batches)
        deadline = monotonic() + DELIVERY_SECONDS + 5
        while not flight.landed(0.2) and monotonic() < deadline:
            pass
        strange: list[Range] = []
        for place, (offset, count) in flight.offsets().items():
            strange += self._between(place, offset, count)
        self._tell(self._streams_in(strange), position, may_publish)

    def _check(self, may_publish: Callable[[], bool]) -> None:
        """A relay that led before may wake up and tell what was true then: tell anew what it has told."""
        found = self._consumer.end_offsets([TopicPartition(*place) for place in self._ends])
        strange: list[Range] = []
        for (topic, partition), offset in found.items():
            strange += self._between((topic, partition), offset, 0)
        self._tell(self._streams_in(strange), self._read, may_publish)
        self._checked_at = monotonic()

    def _between(self, place: TopicPartition, offset: int, count: int) -> list[Range]:
        """The records that others have written before ours, whose first has that offset."""
        first = self._ends[place].next_offset
        others = self._ends[place].move(offset, count)
        if others < 0:
            checkpoints.lose(self._connection, place[0], self._topics.partitions)
            raise PublishFailed("a topic begins anew")
        return [(place, first, offset)] if others else []

    def _streams_in(self, ranges: Sequence[Range]) -> list[tuple[str, UUID]]:
        """The streams of the records in some ranges of offsets, with the aggregate's name."""
        names = {self._topics.state(name): name for name in self._roots}
        found = set()
        for place, first, after in ranges:
            partition = TopicPartition(*place)
            self._consumer.assign([partition])
            self._consumer.seek(partition, first)
            deadline = monotonic() + DELIVERY_SECONDS
            while self._consumer.position(partition) < after and monotonic() < deadline:
                for record in self._consumer.poll(200).get(partition, ()):
                    if record.offset < after and record.key is not None and len(record.key) == 36:
                        found.add((names[place[0]], UUID(record.key.decode())))
        return sorted(found)

    def _save(self) -> None:
        position, at = self._saved
        if self._read > position and monotonic() - at >= SAVE_SECONDS:
            for end in self._ends.values():
                end.position = max(end.position, self._read)
            checkpoints.save(self._connection, self._ends)
            self._saved = (self._read, monotonic())
