"""Publishes the log page by page with one producer.

A page is sent as soon as the page before it is acknowledged. So each partition has one batch in flight, and no batch
overtakes another.
"""

from time import monotonic, sleep, time
from typing import Any

import psycopg
from kafka import TopicPartition
from prometheus_client import Counter

from infra.kafka.client.batch_producer import BatchProducer, InFlightBatch
from infra.kafka.client.record_batch import RecordBatch
from infra.kafka.client.record_format import EventRow
from infra.kafka.relay.batch_builder import BatchBuilder
from infra.kafka.relay.session_checkpoints import ACKNOWLEDGE_SECONDS, SessionCheckpoints
from infra.postgres.leader_lease import LeaderLease, NoLongerLeading
from infra.postgres.notifications import take_notifications
from infra.store.feed import READ_AFTER

PAGE_EVENTS = 1_000
PAGE_BYTES = 400_000
"""With its metadata a page stays below the brokers' default limit of a batch, even if all its events go to one
partition."""
LINGER_SECONDS = 0.015
"""Minimum time between two pages when events come singly: a page of one event costs as much as one of fifty."""
POLL_SECONDS = 0.5
WATERMARK_SECONDS = 0.1
FINISH_SECONDS = 3.0

published_counter = Counter("palimpsest_relay_published", "Events that Kafka has acknowledged")


class PublishSession:
    """Publishes with one producer. `acknowledged`: Kafka has every event up to that position.

    `has_backlog`: the log holds more events than were read.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        producer: BatchProducer,
        builder: BatchBuilder,
        checkpoints: SessionCheckpoints,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._builder = builder
        self._checkpoints = checkpoints
        self._in_flight: tuple[InFlightBatch, int, int] | None = None
        self.has_backlog = False
        self._page_read_at = 0.0
        self.acknowledged = self._read = checkpoints.position
        self._watermark = (self.acknowledged, monotonic())

    def step(self, lease: LeaderLease) -> None:
        """Read a page, and send it once the page before it is acknowledged. Without new events, wait for some.

        Raises:
            PublishFailed: some records may not have arrived.
            NoLongerLeading: the page has not been sent.
            psycopg.Error: the database does not answer.
        """
        if not self.has_backlog:
            sleep(max(0.0, self._page_read_at + LINGER_SECONDS - monotonic()))
        self._page_read_at = monotonic()
        rows = self._read_page()
        self.has_backlog = len(rows) > PAGE_EVENTS // 4
        batches = self._builder.build(rows)
        if rows:
            self._read = rows[-1].position
        self._add_watermarks(batches)
        self._confirm(lease)
        if not lease.held():
            raise NoLongerLeading
        if batches:
            self._in_flight = self._producer.send(batches), self._read, len(rows)
        elif rows:
            self.acknowledged = self._read
        self._checkpoints.save(self.acknowledged)
        is_idle = not rows and self._in_flight is None
        take_notifications(self._connection, self._idle_seconds() if is_idle else 0)

    def finish(self, lease: LeaderLease) -> None:
        """Wait a moment for the batches in flight, and save the checkpoints.

        Raises:
            PublishFailed: some records may not have arrived.
            psycopg.Error: the database does not answer.
        """
        self._confirm(lease, FINISH_SECONDS)
        if lease.held():
            self._checkpoints.save(self.acknowledged, now=True)

    def _read_page(self) -> list[EventRow]:
        with self._connection.cursor(binary=True) as cursor:
            cursor.execute(READ_AFTER.encode(), [self._read, PAGE_EVENTS, PAGE_BYTES])
            return [EventRow(*row) for row in cursor.fetchall()]

    def _add_watermarks(self, batches: dict[TopicPartition, RecordBatch]) -> None:
        position, at = self._watermark
        now = monotonic()
        if self._read > position and now - at >= WATERMARK_SECONDS:
            self._builder.add_watermarks(batches, self._read, int(time() * 1000))
            self._watermark = (self._read, now)

    def _confirm(self, lease: LeaderLease, timeout: float = ACKNOWLEDGE_SECONDS) -> None:
        if self._in_flight is None:
            return
        in_flight, position, events = self._in_flight
        self._checkpoints.confirm(in_flight, timeout, lease.held)
        self._in_flight = None
        self.acknowledged = position
        published_counter.inc(events)

    def _idle_seconds(self) -> float:
        position, at = self._watermark
        return max(0.001, at + WATERMARK_SECONDS - monotonic()) if self._read > position else POLL_SECONDS
