"""A consumer group member in a thread of its own: kafka-python blocks, and its consumer belongs to one thread.

The thread passes records and partition assignments to the event loop that started it. It reads a few batches ahead.
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
MAX_QUEUED_BATCHES = 3
"""Batches that are read ahead of `release`."""
IDLE_POLL_SECONDS = 1.0
"""While the queue is full, poll (paused) at least this often, or the coordinator evicts this member."""
RETRY_SECONDS = 1.0
CLOSE_MS = 3_000

Records = Mapping[TopicPartition, Sequence[Any]]
Batch = tuple[Records, Mapping[int, int]]
"""Records as the consumer returns them, and the epoch of each partition."""
Connect = Callable[[], KafkaConsumer]


class ConsumerThread:
    """Reads `topic` with consumers that `connect` opens, as a member of their group.

    The callbacks run on the event loop: `on_assigned` and `on_revoked` with partitions, `on_records` with a batch. An
    assigned partition is not read before `seek`. Each seek starts a new epoch; records carry the epoch of their
    partition, so the receiver can drop records that were read before the seek.
    """

    def __init__(
        self,
        connect: Connect,
        topic: str,
        on_assigned: Callable[[Collection[int]], None],
        on_revoked: Callable[[Collection[int]], None],
        on_records: Callable[[Batch], None],
    ) -> None:
        self._connect = connect
        self._topic = topic
        self._on_assigned, self._on_revoked, self._on_records = on_assigned, on_revoked, on_records
        self._seeks: queue.SimpleQueue[tuple[int, dict[int, int]]] = queue.SimpleQueue()
        self._capacity = threading.Semaphore(MAX_QUEUED_BATCHES)
        self._stopping = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._epochs: dict[int, int] = {}
        self._last_epoch = 0
        self._thread = threading.Thread(target=self._run, name="kafka consumer", daemon=True)

    def start(self) -> None:
        """Start to read."""
        self._thread.start()

    async def stop(self) -> None:
        """Leave the group."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def seek(self, offsets: Mapping[int, int]) -> int:
        """Read from these offsets, by partition; from the start of a partition that ends before its offset.

        Returns the epoch of the records that are read from now on.
        """
        self._last_epoch += 1
        self._seeks.put((self._last_epoch, dict(offsets)))
        return self._last_epoch

    def release(self) -> None:
        """Report that a batch was processed, so that another one may be read."""
        self._capacity.release()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read(self._connect())
            except Exception as error:
                log.warning("not reading from Kafka", error=type(error).__name__)
                self._call(self._on_revoked, list(self._epochs))
                self._epochs = {}
                self._stopping.wait(RETRY_SECONDS)

    def _read(self, consumer: KafkaConsumer) -> None:
        try:
            # The group's leader assigns the partitions that it knows at that moment: make it learn them first.
            consumer.partitions_for_topic(self._topic)
            consumer.subscribe([self._topic], listener=_Listener(self, consumer))
            while not self._stopping.is_set():
                self._apply_seeks(consumer)
                if self._capacity.acquire(timeout=IDLE_POLL_SECONDS):
                    self._read_batch(consumer)
                else:
                    self._poll_paused(consumer)
        finally:
            _close(consumer)

    def _apply_seeks(self, consumer: KafkaConsumer) -> None:
        while not self._seeks.empty():
            epoch, offsets = self._seeks.get()
            assigned = consumer.assignment()
            ends = consumer.end_offsets([each for each in assigned if each.partition in offsets])
            for partition, end in ends.items():
                offset = offsets[partition.partition]
                consumer.seek(partition, offset if offset <= end else 0)
                consumer.resume(partition)
                self._epochs[partition.partition] = epoch

    def _read_batch(self, consumer: KafkaConsumer) -> None:
        records: Records = {}
        try:
            records = consumer.poll(POLL_MS, max_records=BATCH_RECORDS)
        finally:
            if records:
                self._call(self._on_records, (records, dict(self._epochs)))
            else:
                self._capacity.release()

    @staticmethod
    def _poll_paused(consumer: KafkaConsumer) -> None:
        active = consumer.assignment() - consumer.paused()
        consumer.pause(*active)
        consumer.poll(0)
        consumer.resume(*(active & consumer.assignment()))

    def handle_assigned(self, consumer: KafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Pause new partitions until `seek`, and report them."""
        consumer.pause(*partitions)
        for partition in partitions:
            consumer.seek(partition, 0)  # otherwise the library looks up an offset by itself
            self._epochs[partition.partition] = 0
        self._call(self._on_assigned, [each.partition for each in partitions])

    def handle_revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Report partitions that were taken away."""
        for partition in partitions:
            self._epochs.pop(partition.partition, None)
        self._call(self._on_revoked, [each.partition for each in partitions])

    def _call(self, callback: Callable[[Any], None], argument: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, argument)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, thread: ConsumerThread, consumer: KafkaConsumer) -> None:
        self._thread = thread
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._thread.handle_assigned(self._consumer, assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._thread.handle_revoked(revoked)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._thread.handle_revoked(lost)


def _close(consumer: KafkaConsumer) -> None:
    try:
        consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
    except (KafkaError, ValueError) as error:
        log.warning("consumer not closed", error=type(error).__name__)
