"""The event log read from Kafka: the members of a consumer group share the partitions of the private topic.

Each record carries its log position and the position of the record before it in its partition. So repeated records are
dropped and gaps are detected. Records that the relay did not write are left out and logged as errors.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError
from prometheus_client import Counter

from application.ports import EventFeed, PartitionBatch, PartitionCheckpoint, RecordedEvent, Unavailable, Undecodable
from infra.kafka.client.offset_search import find
from infra.kafka.client.record_decoder import ConsumerRecord, DecodedRecord, decode_fast, use_fast_decoder
from infra.kafka.client.record_format import ForeignRecord
from infra.kafka.client.topics import Topics
from infra.kafka.consumer.consumer_thread import Batch, ConsumerThread
from infra.sealing.keyring import Keyring
from infra.store.log_rows import PAGE_BYTES, decode_rows

log = structlog.get_logger(__name__)

SEARCH_SECONDS = 20.0
FETCH_WAIT_MS = 100
BOOTSTRAP_MS = 5_000
SESSION_MS = 6_000
"""The partitions of a member without heartbeats for this long go to other members."""
HEARTBEAT_MS = 2_000
METADATA_MAX_AGE_MS = 5_000
"""How soon new partitions of the topic are noticed. kafka-python's default: 5 minutes."""
REQUEST_MS, RECONNECT_MS = 10_000, 1_000
"""How soon a killed or frozen broker is given up and tried again. kafka-python's defaults: 30 s."""

foreign_records = Counter("palimpsest_feed_foreign_records", "Records of the private topic that no relay has written")

T = TypeVar("T")
Consumer = Callable[..., KafkaConsumer]
"""Opens a consumer; takes kafka-python's settings except those of the connection."""


@dataclass(slots=True)
class _Assignment:
    """A partition that is being read, up to `position`, in an epoch of the consumer thread.

    `verified`: the topic is known to be the one that the start offset belongs to, not one that was created again.
    """

    position: int
    epoch: int
    verified: bool


@dataclass(slots=True)
class _Run:
    """Records of a partition without a gap: the stored rows after one position, up to another, not yet decoded."""

    partition: int
    after: int
    position: int
    offset: int
    rows: list[tuple[Any, ...]] = field(default_factory=list)


class KafkaFeed:
    """One reader of `group`. Start it before use, stop it at the end.

    `store` is the log itself: it tells which positions exist, and is read where a record cannot be decoded.
    """

    def __init__(self, consumer: Consumer, topics: Topics, group: str, keyring: Keyring, store: EventFeed) -> None:
        self._consumer = consumer
        self._topic = topics.internal
        self._group = group
        self._keyring = keyring
        self._store = store
        self._assignments: dict[int, _Assignment] = {}
        self._unplaced: set[int] = set()
        self._batches: deque[Batch] = deque()
        self._activity = asyncio.Event()
        self._known_head = 0
        self._count = 0
        self._thread: ConsumerThread | None = None

    async def start(self) -> None:
        """Join the group."""
        self._thread = ConsumerThread(
            self._open_member, self._topic, self._on_assigned, self._on_revoked, self._on_records
        )
        self._thread.start()

    async def stop(self) -> None:
        """Leave the group."""
        if self._thread is not None:
            await self._thread.stop()

    async def count(self) -> int:
        """The number of partitions. Raises `Unavailable`."""
        if not self._count:
            self._count = await self._query(lambda consumer: len(consumer.partitions_for_topic(self._topic) or ()))
        if not self._count:
            raise Unavailable(f"Kafka's topic {self._topic}")
        return self._count

    def newly_assigned(self) -> Sequence[int]:
        """The partitions that were assigned to this reader and wait for `start_at`."""
        return sorted(self._unplaced)

    def active(self) -> Sequence[int]:
        """The partitions that this reader reads: assigned and started."""
        return sorted(self._assignments)

    async def start_at(self, checkpoints: Mapping[int, PartitionCheckpoint]) -> None:
        """Start reading at these checkpoints. Raises `Unavailable`."""
        assert self._thread is not None
        unknown = {partition: place.position for partition, place in checkpoints.items() if place.offset is None}
        found = await self._query(lambda consumer: self._find_offsets(consumer, unknown)) if unknown else {}
        # Start one record earlier: if it is the last one that was read, the topic is still the same.
        known = {n: max(0, place.offset - 1) for n, place in checkpoints.items() if place.offset is not None}
        offsets = {partition: offset for partition, offset in {**known, **found}.items() if partition in self._unplaced}
        epoch = self._thread.seek(offsets)
        for partition, offset in offsets.items():
            verified = partition in found or offset == 0
            self._assignments[partition] = _Assignment(checkpoints[partition].position, epoch, verified)
        self._unplaced -= offsets.keys()

    async def next(self, timeout: float) -> Sequence[PartitionBatch]:
        """The next events by partition; an empty list if none arrive within `timeout` seconds."""
        assert self._thread is not None
        if not self._batches:
            await self._wait(timeout)
        if not self._batches:
            return []
        # The batch stays in the queue until it is decoded completely: after an error it is read again.
        runs = await self._runs(*self._batches[0])
        batches = await self._decode(runs)
        for batch in batches:
            if batch.partition in self._assignments:
                self._assignments[batch.partition].position = batch.position
        self._batches.popleft()
        self._thread.release()
        return batches

    async def _wait(self, timeout: float) -> None:
        self._activity.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._activity.wait()
        except TimeoutError:
            return

    # Callbacks of the consumer thread.

    def _on_assigned(self, partitions: Collection[int]) -> None:
        self._on_revoked(partitions)
        self._unplaced |= set(partitions)
        self._activity.set()

    def _on_revoked(self, partitions: Collection[int]) -> None:
        self._unplaced -= set(partitions)
        for partition in partitions:
            self._assignments.pop(partition, None)

    def _on_records(self, batch: Batch) -> None:
        self._batches.append(batch)
        self._activity.set()

    # From records to batches of events.

    async def _runs(
        self, records: Mapping[TopicPartition, Sequence[ConsumerRecord]], epochs: Mapping[int, int]
    ) -> list[_Run]:
        runs = []
        for (_, partition), polled in records.items():
            assignment = self._assignments.get(partition)
            if assignment is None or assignment.epoch != epochs.get(partition):
                continue
            verified = await self._verified(polled)
            if verified and verified[0][0].position > assignment.position and not assignment.verified:
                # The record before the offset is not the last one that was read: the topic was created again.
                await self._start_again(partition, assignment.position)
                continue
            assignment.verified |= bool(verified)
            runs += _split_at_gaps(partition, assignment.position, verified)
        return runs

    async def _start_again(self, partition: int, position: int) -> None:
        del self._assignments[partition]
        self._unplaced.add(partition)
        await self.start_at({partition: PartitionCheckpoint(position)})

    async def _verified(self, records: Sequence[ConsumerRecord]) -> list[tuple[DecodedRecord, ConsumerRecord]]:
        """The relay's records, decoded, each with the original."""
        pairs: list[tuple[DecodedRecord, ConsumerRecord]] = []
        for record in records:
            try:
                pairs.append((decode_fast(record), record))
            except ForeignRecord as error:
                self._skip_foreign(record, str(error))
        if pairs and max(decoded.position for decoded, _ in pairs) > self._known_head:
            self._known_head = await self._store.head()
        return [(decoded, record) for decoded, record in pairs if self._is_in_log(decoded, record)]

    def _is_in_log(self, decoded: DecodedRecord, record: ConsumerRecord) -> bool:
        if decoded.position <= self._known_head:
            return True
        self._skip_foreign(record, "a position that the log has not reached")
        return False

    async def _decode(self, runs: list[_Run]) -> list[PartitionBatch]:
        events = await decode_rows([row for run in runs for row in run.rows], self._keyring, "record")
        batches, start = [], 0
        for run in runs:
            end = start + len(run.rows)
            repaired = await self._repaired(events[start:end])
            batches.append(PartitionBatch(run.partition, run.after, run.position, repaired, run.offset))
            start = end
        return batches

    async def _repaired(self, events: list[RecordedEvent]) -> list[RecordedEvent]:
        """Replace events that cannot be decoded by those in the store, which decides whether they can be decoded."""
        for n, event in enumerate(events):
            if type(event.data) is Undecodable:
                [stored] = await self._store.read(event.position - 1, 1)
                events[n] = stored
        return events

    def _skip_foreign(self, record: ConsumerRecord, reason: str) -> None:
        foreign_records.inc()
        log.error("record left out", topic=self._topic, partition=record.partition, offset=record.offset, reason=reason)

    # Consumers.

    def _open_member(self) -> KafkaConsumer:
        consumer = self._consumer(
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[CooperativeStickyAssignor()],
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            fetch_max_bytes=PAGE_BYTES,
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            request_timeout_ms=REQUEST_MS,
            reconnect_backoff_max_ms=RECONNECT_MS,
            bootstrap_timeout_ms=BOOTSTRAP_MS,
            metrics_enabled=False,
        )
        return use_fast_decoder(consumer)

    async def _query(self, query: Callable[[KafkaConsumer], T]) -> T:
        """Run a query in a thread, on a consumer without a group. Raises `Unavailable`."""
        try:
            return await asyncio.to_thread(self._run_query, query)
        except (KafkaError, TimeoutError, OSError) as error:
            raise Unavailable("Kafka") from error

    def _run_query(self, query: Callable[[KafkaConsumer], T]) -> T:
        consumer = self._consumer(
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=BOOTSTRAP_MS,
            metrics_enabled=False,
        )
        use_fast_decoder(consumer)
        try:
            return query(consumer)
        finally:
            consumer.close(autocommit=False)

    def _find_offsets(self, consumer: KafkaConsumer, positions: Mapping[int, int]) -> dict[int, int]:
        offsets = {}
        for number, position in positions.items():
            partition = TopicPartition(self._topic, number)
            consumer.assign([partition])
            offsets[number] = find(consumer, partition, position, _position_of, SEARCH_SECONDS)
        return offsets


def _position_of(record: ConsumerRecord) -> int | None:
    try:
        return decode_fast(record).position
    except ForeignRecord:
        return None


def _split_at_gaps(partition: int, last: int, records: Iterable[tuple[DecodedRecord, ConsumerRecord]]) -> list[_Run]:
    """The records after the position `last`, as runs without gaps."""
    runs: list[_Run] = []
    for (position, previous, row), record in records:
        if position <= last:
            continue
        if not runs or previous > last:
            runs.append(run := _Run(partition, max(previous, last), last, 0))
        run.position = last = position
        run.offset = record.offset + 1
        if row is not None:
            run.rows.append(row)
    return runs
