"""The log as Kafka hands it out: a consumer group shares the partitions of the private topic among its members.

Records say where they stand in the log, and after which record of their partition they come. So what comes twice is
dropped, and what is missing is seen. What no relay has written is left out, with an error in the log.
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
from infra.kafka.client.record_decoder import ConsumerRecord, DecodedRecord, read, read_swiftly
from infra.kafka.client.record_format import ForeignRecord
from infra.kafka.client.topics import Topics
from infra.kafka.consumer.consumer_thread import Batch, ConsumerThread
from infra.sealing.keyring import Keyring
from infra.store.feed import decoded

log = structlog.get_logger(__name__)

SEARCH_SECONDS = 20.0
FETCH_WAIT_MS = 100
BOOTSTRAP_MS = 5_000
SESSION_MS = 6_000
"""Without a sign of life for so long, a member's partitions go to others."""
HEARTBEAT_MS = 2_000
REQUEST_MS, RECONNECT_MS = 10_000, 1_000
"""A broker that was killed or frozen is done without, and asked again, after so long: by default, after 30 s."""

foreign_records = Counter("palimpsest_feed_foreign_records", "Records of the private topic that no relay has written")

T = TypeVar("T")
Consumer = Callable[..., KafkaConsumer]
"""Makes a consumer that knows where the broker is; takes kafka-python's other settings."""


@dataclass(slots=True)
class _Assignment:
    """A partition that is being read: up to which position it has come, and by which order of the intake.

    `sure`: the topic is known to be the one that the offset is of, with which the reading began.
    """

    at: int
    ticket: int
    sure: bool


@dataclass(slots=True)
class _Run:
    """A portion to be: stored rows that have yet to be read."""

    partition: int
    after: int
    position: int
    offset: int
    rows: list[tuple[Any, ...]] = field(default_factory=list)


class KafkaFeed:
    """One reader of `group`. Start it before use, stop it at the end.

    `store` is the log itself: records are held against it where there is doubt.
    """

    def __init__(self, consumer: Consumer, topics: Topics, group: str, keyring: Keyring, store: EventFeed) -> None:
        self._consumer = consumer
        self._topic = topics.internal
        self._group = group
        self._keyring = keyring
        self._store = store
        self._readings: dict[int, _Assignment] = {}
        self._unplaced: set[int] = set()
        self._arrived: deque[Batch] = deque()
        self._something = asyncio.Event()
        self._known_head = 0
        self._count = 0
        self._intake: ConsumerThread | None = None

    async def start(self) -> None:
        """Join the group."""
        self._intake = ConsumerThread(self._member, self._topic, self._came, self._went, self._take)
        self._intake.start()

    async def stop(self) -> None:
        """Leave the group."""
        if self._intake is not None:
            await self._intake.stop()

    async def count(self) -> int:
        """How many partitions there are. Raises `Unavailable`."""
        if not self._count:
            self._count = await self._ask(lambda consumer: len(consumer.partitions_for_topic(self._topic) or ()))
        if not self._count:
            raise Unavailable(f"Kafka's topic {self._topic}")
        return self._count

    def newly_assigned(self) -> Sequence[int]:
        """The partitions that have come to this reader, and wait to be told where to begin."""
        return sorted(self._unplaced)

    def active(self) -> Sequence[int]:
        """The partitions that this reader has, but for those that are unplaced."""
        return sorted(self._readings)

    async def start_at(self, checkpoints: Mapping[int, PartitionCheckpoint]) -> None:
        """Begin at these places. Raises `Unavailable`."""
        assert self._intake is not None
        unknown = {partition: place.position for partition, place in checkpoints.items() if place.offset is None}
        found = await self._ask(lambda consumer: self._find(consumer, unknown)) if unknown else {}
        # The record before is there to be recognised.
        known = {
            partition: max(0, place.offset - 1) for partition, place in checkpoints.items() if place.offset is not None
        }
        offsets = {partition: offset for partition, offset in {**known, **found}.items() if partition in self._unplaced}
        ticket = self._intake.begin(offsets)
        for partition, offset in offsets.items():
            sure = partition in found or offset == 0
            self._readings[partition] = _Assignment(checkpoints[partition].position, ticket, sure)
        self._unplaced -= offsets.keys()

    async def next(self, timeout: float) -> Sequence[PartitionBatch]:
        """What has come; nothing if that takes more than `timeout` seconds."""
        assert self._intake is not None
        if not self._arrived:
            await self._wait(timeout)
        if not self._arrived:
            return []
        # It stays until all of it is read: whatever breaks meanwhile, it is there to be read again.
        stretches = await self._stretches(*self._arrived[0])
        portions = await self._portions(stretches)
        for portion in portions:
            if portion.partition in self._readings:
                self._readings[portion.partition].at = portion.position
        self._arrived.popleft()
        self._intake.taken()
        return portions

    async def _wait(self, timeout: float) -> None:
        self._something.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._something.wait()
        except TimeoutError:
            return

    # What the intake tells.

    def _came(self, partitions: Collection[int]) -> None:
        self._went(partitions)
        self._unplaced |= set(partitions)
        self._something.set()

    def _went(self, partitions: Collection[int]) -> None:
        self._unplaced -= set(partitions)
        for partition in partitions:
            self._readings.pop(partition, None)

    def _take(self, batch: Batch) -> None:
        self._arrived.append(batch)
        self._something.set()

    # From records to portions.

    async def _stretches(
        self, records: Mapping[TopicPartition, Sequence[ConsumerRecord]], tickets: Mapping[int, int]
    ) -> list[_Run]:
        found = []
        for place, those in records.items():
            reading = self._readings.get(place.partition)
            if reading is None or reading.ticket != tickets.get(place.partition):
                continue
            sound = await self._sound(those)
            if sound and sound[0][0].position > reading.at and not reading.sure:
                # The record before the offset is not the last one that was read: the topic has been made anew since.
                await self._begin_again(place.partition, reading.at)
                continue
            reading.sure |= bool(sound)
            found += _joined(place.partition, reading.at, sound)
        return found

    async def _begin_again(self, partition: int, position: int) -> None:
        del self._readings[partition]
        self._unplaced.add(partition)
        await self.start_at({partition: PartitionCheckpoint(position)})

    async def _sound(self, records: Sequence[ConsumerRecord]) -> list[tuple[DecodedRecord, ConsumerRecord]]:
        """What relays have written, with the records as they came."""
        sound: list[tuple[DecodedRecord, ConsumerRecord]] = []
        for record in records:
            try:
                sound.append((read(record), record))
            except ForeignRecord as error:
                self._complain(record, str(error))
        if sound and max(about.position for about, _ in sound) > self._known_head:
            self._known_head = await self._store.head()
        return [(about, record) for about, record in sound if self._is_in_log(about, record)]

    def _is_in_log(self, about: DecodedRecord, record: ConsumerRecord) -> bool:
        if about.position <= self._known_head:
            return True
        self._complain(record, "a position that the log has not reached")
        return False

    async def _portions(self, stretches: list[_Run]) -> list[PartitionBatch]:
        events = await decoded([row for stretch in stretches for row in stretch.rows], self._keyring)
        portions, start = [], 0
        for stretch in stretches:
            end = start + len(stretch.rows)
            those = await self._mended(events[start:end])
            portions.append(PartitionBatch(stretch.partition, stretch.after, stretch.position, those, stretch.offset))
            start = end
        return portions

    async def _mended(self, events: list[RecordedEvent]) -> list[RecordedEvent]:
        """With what cannot be read as the store has it: whether it cannot be read there either is what counts."""
        for n, event in enumerate(events):
            if type(event.data) is Undecodable:
                [stored] = await self._store.read(event.position - 1, 1)
                events[n] = stored
        return events

    def _complain(self, record: ConsumerRecord, reason: str) -> None:
        foreign_records.inc()
        log.error("record left out", topic=self._topic, partition=record.partition, offset=record.offset, reason=reason)

    # The consumers.

    def _member(self) -> KafkaConsumer:
        consumer = self._consumer(
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[CooperativeStickyAssignor()],
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=REQUEST_MS,
            reconnect_backoff_max_ms=RECONNECT_MS,
            bootstrap_timeout_ms=BOOTSTRAP_MS,
            metrics_enabled=False,
        )
        return read_swiftly(consumer)

    async def _ask(self, question: Callable[[KafkaConsumer], T]) -> T:
        """Ask a consumer that is in no group. Raises `Unavailable`."""
        try:
            return await asyncio.to_thread(self._asked, question)
        except (KafkaError, TimeoutError, OSError) as error:
            raise Unavailable("Kafka") from error

    def _asked(self, question: Callable[[KafkaConsumer], T]) -> T:
        consumer = self._consumer(
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            bootstrap_timeout_ms=BOOTSTRAP_MS,
            metrics_enabled=False,
        )
        read_swiftly(consumer)
        try:
            return question(consumer)
        finally:
            consumer.close(autocommit=False)

    def _find(self, consumer: KafkaConsumer, positions: Mapping[int, int]) -> dict[int, int]:
        found = {}
        for partition, position in positions.items():
            place = TopicPartition(self._topic, partition)
            consumer.assign([place])
            found[partition] = find(consumer, place, position, _position_of, SEARCH_SECONDS)
        return found


def _position_of(record: ConsumerRecord) -> int | None:
    try:
        return read(record).position
    except ForeignRecord:
        return None


def _joined(partition: int, at: int, records: Iterable[tuple[DecodedRecord, ConsumerRecord]]) -> list[_Run]:
    """What is new after the position `at`, in stretches of which none lacks anything within."""
    found: list[_Run] = []
    for (position, previous, row), record in records:
        if position <= at:
            continue
        if not found or previous > at:
            found.append(stretch := _Run(partition, max(previous, at), at, 0))
        stretch.position = at = position
        stretch.offset = record.offset + 1
        if row is not None:
            stretch.rows.append(row)
    return found
