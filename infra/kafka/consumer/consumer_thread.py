"""A member of a consumer group in a thread of its own: kafka-python blocks, and its consumer belongs to one thread.

The thread hands over what it has read, and who has come and gone, to the event loop that started it. It runs a few
batches ahead, no further.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

log = structlog.get_logger(__name__)

POLL_MS = 50
BATCH_RECORDS = 2_000
AHEAD = 3
"""Batches that have been read and not yet been taken."""
PATIENCE_SECONDS = 1.0
"""The group waits for members that do not poll, so one whose batches nobody takes polls for nothing now and then."""
CLOSE_MS = 3_000

Records = Mapping[TopicPartition, Sequence[Any]]
Batch = tuple[Records, Mapping[int, int]]
"""Records as the consumer gives them, and tickets by partition."""
Connect = Callable[[], KafkaConsumer]


class ConsumerThread:
    """Reads `topic` as a member of the group that `connect`'s consumers belong to.

    The callbacks run on the event loop: `came` and `went` with partitions, `arrived` with records. A partition that
    came is not read before it was told where to `begin`. Records come with the ticket of that order, by partition, so
    that what was read before it can be told from what was read after it.
    """

    def __init__(
        self,
        connect: Connect,
        topic: str,
        came: Callable[[Collection[int]], None],
        went: Callable[[Collection[int]], None],
        arrived: Callable[[Batch], None],
    ) -> None:
        self._connect = connect
        self._topic = topic
        self._came, self._went, self._arrived = came, went, arrived
        self._orders: queue.SimpleQueue[tuple[int, dict[int, int]]] = queue.SimpleQueue()
        self._room = threading.Semaphore(AHEAD)
        self._ending = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._tickets: dict[int, int] = {}
        self._issued = 0
        self._thread = threading.Thread(target=self._run, name="kafka intake", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    async def stop(self) -> None:
        """Leave the group."""
        self._ending.set()
        await asyncio.to_thread(self._thread.join)

    def begin(self, offsets: Mapping[int, int]) -> int:
        """Read on from these offsets, by partition; from the start where the partition ends before.

        Answers the ticket of this order.
        """
        self._issued += 1
        self._orders.put((self._issued, dict(offsets)))
        return self._issued

    def taken(self) -> None:
        """A batch was taken: there is room for one more."""
        self._room.release()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._read(self._connect())
            except Exception as error:
                log.warning("not reading from Kafka", error=type(error).__name__)
                self._tell(self._went, list(self._tickets))
                self._tickets = {}
                self._ending.wait(PATIENCE_SECONDS)

    def _read(self, consumer: KafkaConsumer) -> None:
        try:
            # Whoever leads the group shares out the partitions that he knows of at that moment.
            consumer.partitions_for_topic(self._topic)
            consumer.subscribe([self._topic], listener=_Listener(self, consumer))
            while not self._ending.is_set():
                self._obey(consumer)
                if self._room.acquire(timeout=PATIENCE_SECONDS):
                    self._hand_over(consumer)
                else:
                    self._stay_member(consumer)
        finally:
            _close(consumer)

    def _obey(self, consumer: KafkaConsumer) -> None:
        while not self._orders.empty():
            ticket, offsets = self._orders.get()
            held = consumer.assignment()
            ends = consumer.end_offsets([place for place in held if place.partition in offsets])
            for place, end in ends.items():
                offset = offsets[place.partition]
                consumer.seek(place, offset if offset <= end else 0)
                consumer.resume(place)
                self._tickets[place.partition] = ticket

    def _hand_over(self, consumer: KafkaConsumer) -> None:
        records: Records = {}
        try:
            records = consumer.poll(POLL_MS, max_records=BATCH_RECORDS)
        finally:
            if records:
                self._tell(self._arrived, (records, dict(self._tickets)))
            else:
                self._room.release()

    @staticmethod
    def _stay_member(consumer: KafkaConsumer) -> None:
        reading = consumer.assignment() - consumer.paused()
        consumer.pause(*reading)
        consumer.poll(0)
        consumer.resume(*(reading & consumer.assignment()))

    def assigned(self, consumer: KafkaConsumer, places: Collection[TopicPartition]) -> None:
        """Partitions came. The offset is there so that the library looks for none."""
        consumer.pause(*places)
        for place in places:
            consumer.seek(place, 0)
            self._tickets[place.partition] = 0
        self._tell(self._came, [place.partition for place in places])

    def revoked(self, places: Collection[TopicPartition]) -> None:
        """Partitions went."""
        for place in places:
            self._tickets.pop(place.partition, None)
        self._tell(self._went, [place.partition for place in places])

    def _tell(self, whom: Callable[[Any], None], what: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(whom, what)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, intake: ConsumerThread, consumer: KafkaConsumer) -> None:
        self._intake = intake
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._intake.assigned(self._consumer, assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._intake.revoked(revoked)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._intake.revoked(lost)


def _close(consumer: KafkaConsumer) -> None:
    try:
        consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
    except (KafkaError, ValueError) as error:
        log.warning("consumer not closed", error=type(error).__name__)
