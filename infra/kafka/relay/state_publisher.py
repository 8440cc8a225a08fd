"""Publishes current states to the compacted topics: of each changed stream its public state, or a tombstone.

It follows the relay page by page. A stream that changes several times within a page is published once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from infra.kafka.client.batch_producer import DELIVERY_SECONDS, BatchProducer
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.connect import open_consumer, open_producer
from infra.kafka.client.record_batch import RecordBatch, encode_headers, with_length
from infra.kafka.client.record_position import SEQUENCE
from infra.kafka.client.topics import Topics
from infra.kafka.relay.session_checkpoints import OffsetRange, SessionCheckpoints
from infra.kafka.relay.topic_setup import connect, prepare
from infra.postgres.leader_lease import NoLongerLeading
from infra.store.partitioner import key_of, partition_of, stream_of

PAGE_EVENTS = 2_000
LOADED_TOGETHER = 32
"""Maximum number of aggregates in memory: each may hold a text of a million characters."""
RETRY_SECONDS = 1.0
POLL_SECONDS = 0.2
BACKLOG_POLL_SECONDS = 2.0
"""Between two pages while the relay has a backlog: events come before states."""
CHECK_SECONDS = 5.0

# `later`: the stream changes again before `upto`, so a later page publishes it.
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

AggregateRef = tuple[type[Root], UUID]
LoadAggregates = Callable[[Sequence[AggregateRef]], Sequence[Root | Exception | None]]
"""Loads aggregates as they are now: None for one that does not exist, an error for one that cannot be read."""

log = structlog.get_logger(__name__)

failed_counter = Counter("palimpsest_relay_states_skipped", "States left out, as they could not be read or mapped")


class Leader(Protocol):
    """The relay that the state publisher follows."""

    @property
    def position(self) -> int | None:
        """Kafka has every event up to it; None: unknown."""

    @property
    def has_backlog(self) -> bool:
        """Whether the log holds more events than the relay has read."""

    def is_leading(self) -> bool:
        """Whether the relay certainly leads."""


class StatePublisher:
    """Publishes states while the relay of this process leads."""

    def __init__(
        self,
        url: str,
        kafka: ClientConfig,
        names: Topics,
        contract: CloudEvents,
        leader: Leader,
        load: LoadAggregates,
    ) -> None:
        self._url = url
        self._kafka = kafka
        self._topics = names
        self._contract = contract
        self._leader = leader
        self._load = load
        self._stopping = Event()

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()

    def run(self) -> None:
        """Publish until `stop`; retry while a server is down. Blocks: run it in a thread.

        Raises:
            WrongPartitions: a topic's partition count has changed.
        """
        while not self._stopping.wait(RETRY_SECONDS):
            if self._leader.is_leading():
                try:
                    self._publish()
                except SetupError:
                    raise
                except Exception as error:
                    log.warning("states are not published; trying again", error=type(error).__name__)

    def _publish(self) -> None:
        names = self._topics.states()
        with connect(self._url) as connection:
            checkpoints = SessionCheckpoints(connection, prepare(connection, self._kafka, self._topics, names))
            with (
                closing(open_consumer(self._kafka)) as consumer,
                closing(open_producer(self._kafka, names)) as producer,
            ):
                session = StatePublishSession(
                    connection, consumer, producer, self._topics, checkpoints, self._contract, self._load
                )
                while self._leader.is_leading() and not self._stopping.is_set():
                    published = session.step(self._leader.position or 0, self._leader.is_leading)
                    if not published or self._leader.has_backlog:
                        self._stopping.wait(BACKLOG_POLL_SECONDS if self._leader.has_backlog else POLL_SECONDS)


class StatePublishSession:
    """Publishes states with one producer."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        consumer: KafkaConsumer,
        producer: BatchProducer,
        names: Topics,
        checkpoints: SessionCheckpoints,
        contract: CloudEvents,
        load: LoadAggregates,
    ) -> None:
        self._connection = connection
        self._consumer = consumer
        self._producer = producer
        self._topics = names
        self._checkpoints = checkpoints
        self._contract = contract
        self._load = load
        self._read = checkpoints.position
        self._roots = {root.TOPIC: root for root in STATES}  # type: ignore[attr-defined]
        self._checked_at = monotonic()

    def step(self, upto: int, may_publish: Callable[[], bool]) -> bool:
        """Publish the states of the next streams that changed up to a position. Returns whether there were any.

        Raises:
            PublishFailed: some records may not have arrived.
            NoLongerLeading: the states have not been sent.
            Unavailable, psycopg.Error: the database does not answer.
            kafka.errors.KafkaError: the broker does not answer.
        """
        parameters = {"after": self._read, "upto": upto, "limit": PAGE_EVENTS}
        changed = self._connection.execute(CHANGED, parameters, binary=True).fetchall()
        position = max((row[2] for row in changed), default=self._read)
        streams = [(topic, stream_id) for stream_id, topic, _, later in changed if not later]
        self._publish(streams, position, may_publish)
        self._read = position
        self._checkpoints.save(self._read)
        if monotonic() - self._checked_at >= CHECK_SECONDS:
            self._repair(may_publish)
        return bool(changed)

    def _publish(self, streams: Iterable[tuple[str, UUID]], position: int, may_publish: Callable[[], bool]) -> None:
        """`streams`: event topic or aggregate name, and id."""
        refs = [(root, id) for topic, id in streams if (root := self._roots.get(topic.partition(".")[0]))]
        batches: dict[TopicPartition, RecordBatch] = {}
        for (root, stream_id), aggregate in zip(refs, self._loaded(refs), strict=True):
            key = key_of(stream_id)
            partition = (self._topics.state(root.TOPIC), partition_of(key, self._topics.partitions))  # type: ignore[attr-defined]
            record = self._record(stream_id, aggregate, position)
            if record is not None:
                value, headers = record
                batch = batches.setdefault(partition, RecordBatch())
                batch.add(int(time() * 1000), with_length(key), value, encode_headers(headers))
        if batches:
            if not may_publish():
                raise NoLongerLeading
            self._send(batches, position, may_publish)

    def _loaded(self, refs: Sequence[AggregateRef]) -> Iterator[Root | Exception | None]:
        for start in range(0, len(refs), LOADED_TOGETHER):
            yield from self._load(refs[start : start + LOADED_TOGETHER])

    def _record(
        self, stream_id: UUID, aggregate: Root | Exception | None, position: int
    ) -> tuple[bytes | None, list[tuple[str, bytes]]] | None:
        """Value and headers; no value: a tombstone. None: the state cannot be read or mapped."""
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
        foreign = self._checkpoints.confirm(self._producer.send(batches))
        self._publish(self._streams_in(foreign), position, may_publish)

    def _repair(self, may_publish: Callable[[], bool]) -> None:
        """Publish again each stream of which another producer has written.

        A former leader that was frozen may wake up and publish a state that is out of date.
        """
        ends = self._consumer.end_offsets(self._checkpoints.partitions())
        foreign = self._checkpoints.advance({partition: (offset, 0) for partition, offset in ends.items()})
        self._publish(self._streams_in(foreign), self._read, may_publish)
        self._checked_at = monotonic()

    def _streams_in(self, ranges: Sequence[OffsetRange]) -> list[tuple[str, UUID]]:
        """The streams of the records in some ranges of offsets, each with its aggregate's name.

        Records in the topics of aggregates without public states are left out: nothing can replace them.
        """
        names = {self._topics.state(name): name for name in self._roots}
        found = set()
        for (topic, number), first, stop in ranges:
            if topic not in names:
                continue
            partition = TopicPartition(topic, number)
            self._consumer.assign([partition])
            self._consumer.seek(partition, first)
            deadline = monotonic() + DELIVERY_SECONDS
            while self._consumer.position(partition) < stop and monotonic() < deadline:
                for record in self._consumer.poll(200).get(partition, ()):
                    stream_id = stream_of(record.key)
                    if record.offset < stop and stream_id is not None:
                        found.add((names[topic], stream_id))
        return sorted(found)
