"""From the store to Kafka: everything, in order, without loss; a repeat now and then, recognisable by its position.

One relay leads. It reads the log in pages and hands a page on as soon as the page before it is acknowledged, so that of
each partition one batch is on its way and none can overtake another. Whatever goes wrong, it begins anew: with a new
producer, from what the topics' ends say is there.
"""

from collections.abc import Iterable
from contextlib import closing
from threading import Event
from time import monotonic, sleep, time
from typing import Any
from uuid import UUID

import psycopg
import structlog
from cryptography.exceptions import InvalidTag
from kafka import TopicPartition
from kafka.errors import KafkaError
from prometheus_client import Counter, Gauge

from adapters.integration_events.cloudevents import CloudEvents
from infra.errors import SetupError
from infra.kafka.client.batch_producer import DELIVERY_SECONDS, BatchProducer, InFlightBatch, PublishFailed, RecordBatch
from infra.kafka.client.record_format import EventRow
from infra.kafka.client.topics import Topics
from infra.kafka.relay import checkpoints
from infra.kafka.relay.batch_builder import BatchBuilder, UnopenedKey
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.kafka.relay.leader_lease import LeaderLease, NoLongerLeading
from infra.kafka.relay.topic_setup import Settings, connect, outlet_to, prepare
from infra.sealing.keyring import DataKey, Keyring, Keys
from infra.store.event_store import WRAPPED_KEYS
from infra.store.log_rows import ALL_COLUMNS, APPENDED_CHANNEL

PAGE_EVENTS = 1_000
PAGE_BYTES = 400_000
"""With its metadata a page stays below what brokers take in a batch by default, even if all is of one partition."""
PACE_SECONDS = 0.015
"""Between two pages when events come singly: a page of one costs as much as one of fifty."""
POLL_SECONDS = 0.5
STANDBY_SECONDS = 0.3
PAUSE_SECONDS = 1.0
SAVE_SECONDS = 1.0
WATERMARK_SECONDS = 0.1
FINISHING_SECONDS = 3.0

AFTER = f"""
SELECT {ALL_COLUMNS} FROM (
    SELECT *, sum(octet_length(state)) OVER (ORDER BY notification_id) - octet_length(state) AS bytes_before
    FROM (SELECT * FROM stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s) AS page
) AS measured
WHERE bytes_before < %s ORDER BY notification_id
"""  # noqa: S608

log = structlog.get_logger(__name__)

published_counter = Counter("palimpsest_relay_published", "Events that Kafka has acknowledged")
leading_gauge = Gauge("palimpsest_relay_leading", "1: this relay publishes; 0: it stands by, or cannot")


class Relay:
    """Publishes for as long as it leads. `kafka` are kafka-python's settings of a connection.

    `position` is that of the last event which Kafka has acknowledged together with all before it; None: not known here.
    `has_backlog`: there is more in the log than has been read.
    """

    def __init__(self, url: str, kafka: Settings, names: Topics, contract: CloudEvents, keyring: Keyring) -> None:
        self.position: int | None = None
        self.has_backlog = False
        self._lease: LeaderLease | None = None
        self._url = url
        self._kafka = kafka
        self._topics = names
        self._contract = contract
        self._keyring = keyring
        self._stopping = Event()

    def stop(self) -> None:
        """Let `run` end soon."""
        self._stopping.set()

    def holds(self) -> bool:
        """Whether this relay leads and publishes, beyond doubt."""
        lease = self._lease
        return self.position is not None and lease is not None and lease.held()

    def run(self) -> None:
        """Stand by, lead, and wait out what is down, until `stop`. It blocks: give it a thread.

        Raises:
            WrongPartitions: a topic is not as it was when its streams were spread over it.
        """
        while not self._stopping.is_set():
            try:
                with LeaderLease(self._url, self._topics.prefix) as lease:
                    self._lease = lease
                    self._stand_by(lease)
                    self._lead(lease)
            except (psycopg.Error, OSError) as error:
                log.warning("relay without database", error=type(error).__name__)
            self._stopping.wait(PAUSE_SECONDS)

    def _stand_by(self, lease: LeaderLease) -> None:
        waits = False
        while not self._stopping.is_set() and not lease.try_take():
            if not waits:
                log.info("another relay leads; standing by")
                waits = True
            self._stopping.wait(STANDBY_SECONDS)

    def _lead(self, lease: LeaderLease) -> None:
        with connect(self._url) as connection:
            connection.execute(f"LISTEN {APPENDED_CHANNEL}")
            while lease.held() and not self._stopping.is_set():
                lease.show_life()
                try:
                    self._publish(connection, lease)
                except (SetupError, psycopg.Error):
                    raise
                except NoLongerLeading:
                    log.warning("no longer leading")
                except Exception as error:
                    # Whatever it is, a new client may do better.
                    log.warning(_trouble(error), error=_told(error))
                    self._stopping.wait(PAUSE_SECONDS)
                finally:
                    self.position = None
                    leading_gauge.set(0)

    def _publish(self, connection: psycopg.Connection[Any], lease: LeaderLease) -> None:
        names = self._topics.events()
        found = prepare(connection, self._kafka, self._topics, names)
        with closing(outlet_to(self._kafka, names)) as outlet:
            publisher = BatchBuilder(self._topics, found, self._contract, lambda ids: self._keys(connection, ids))
            course = PublishSession(connection, outlet, publisher, found)
            log.info("publishing", position=course.acknowledged)
            leading_gauge.set(1)
            while lease.held() and not self._stopping.is_set():
                lease.show_life()
                course.step(lease)
                self.position, self.has_backlog = course.acknowledged, course.has_backlog
            course.finish(lease)

    def _keys(self, connection: psycopg.Connection[Any], subject_ids: Iterable[UUID]) -> Keys:
        kept = [(subject_id, self._keyring.kept(subject_id)) for subject_id in subject_ids]
        missing = [subject_id for subject_id, key in kept if key is None]
        found = connection.execute(WRAPPED_KEYS, [missing], binary=True) if missing else ()
        fresh = {subject_id.int: self._opened(subject_id, wrapped) for subject_id, wrapped in found}
        return {subject_id.int: key for subject_id, key in kept if key is not None} | fresh

    def _opened(self, subject_id: UUID, wrapped: bytes) -> DataKey:
        """One key that is damaged, or wrapped by another key-encryption key, must not keep everything back."""
        try:
            return self._keyring.unwrap(subject_id, wrapped)
        except (InvalidTag, ValueError):
            return UnopenedKey()


class PublishSession:
    """One producer's way along the log, page by page. `acknowledged`: Kafka has everything up to that position."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        outlet: BatchProducer,
        publisher: BatchBuilder,
        found: dict[TopicPartition, PartitionEnd],
    ) -> None:
        self._connection = connection
        self._outlet = outlet
        self._publisher = publisher
        self._ends = found
        self._partitions = max(partition for _, partition in found) + 1
        self._flight: tuple[InFlightBatch, int, int] | None = None
        self.has_backlog = False
        self._paged_at = 0.0
        self.acknowledged = self._read = min(end.position for end in found.values())
        self._saved = (self.acknowledged, monotonic())
        self._marked = (self.acknowledged, monotonic())

    def step(self, lease: LeaderLease) -> None:
        """Read a page, and hand it on once the one before it is acknowledged; rest when there is none.

        Raises:
            PublishFailed: some records may not have arrived.
            NoLongerLeading: the page has not been sent.
            psycopg.Error: the database does not answer.
        """
        if not self.has_backlog:
            sleep(max(0.0, self._paged_at + PACE_SECONDS - monotonic()))
        self._paged_at = monotonic()
        rows = self._page()
        self.has_backlog = len(rows) > PAGE_EVENTS // 4
        batches = self._publisher.take(rows)
        if rows:
            self._read = rows[-1].position
        self._mark(batches)
        self._land(lease)
        if not lease.held():
            raise NoLongerLeading
        if batches:
            self._flight = self._outlet.hand(batches), self._read, len(rows)
        elif rows:
            self.acknowledged = self._read
        self._save()
        if not rows and self._flight is None:
            self._rest()

    def finish(self, lease: LeaderLease) -> None:
        """Wait a moment for what is on its way, and remember it.

        Raises:
            PublishFailed: some records may not have arrived.
            psycopg.Error: the database does not answer.
        """
        self._land(lease, FINISHING_SECONDS)
        if lease.held():
            self._save(at_once=True)

    def _page(self) -> list[EventRow]:
        with self._connection.cursor(binary=True) as cursor:
            cursor.execute(AFTER, [self._read, PAGE_EVENTS, PAGE_BYTES])
            return [EventRow(*row) for row in cursor.fetchall()]

    def _mark(self, batches: dict[TopicPartition, RecordBatch]) -> None:
        position, at = self._marked
        now = monotonic()
        if self._read > position and now - at >= WATERMARK_SECONDS:
            self._publisher.mark(batches, self._read, int(time() * 1000))
            self._marked = (self._read, now)

    def _land(self, lease: LeaderLease, patience: float = DELIVERY_SECONDS + 5) -> None:
        if self._flight is None:
            return
        flight, position, events = self._flight
        deadline = monotonic() + patience
        while not flight.landed(0.2) and monotonic() < deadline and lease.held():
            pass
        for place, (offset, count) in flight.offsets().items():
            if self._ends[place].move(offset, count) < 0:
                checkpoints.lose(self._connection, place[0], self._partitions)
                raise PublishFailed("a topic begins anew")
        self._flight = None
        self.acknowledged = position
        published_counter.inc(events)

    def _save(self, *, at_once: bool = False) -> None:
        position, at = self._saved
        if self.acknowledged > position and (at_once or monotonic() - at >= SAVE_SECONDS):
            for end in self._ends.values():
                end.position = max(end.position, self.acknowledged)
            checkpoints.save(self._connection, self._ends)
            self._saved = (self.acknowledged, monotonic())

    def _rest(self) -> None:
        due = self._read > self._marked[0]
        patience = max(0.001, self._marked[1] + WATERMARK_SECONDS - monotonic()) if due else POLL_SECONDS
        for _ in self._connection.notifies(timeout=patience, stop_after=1):
            return


def _trouble(error: Exception) -> str:
    if isinstance(error, KafkaError | PublishFailed | OSError):
        return "Kafka takes nothing; trying again"
    return "publishing was interrupted; beginning anew"


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, PublishFailed) else type(error).__name__
