"""Sends whole record batches through kafka-python's sender, in a tenth of the time that `KafkaProducer.send` takes.

`KafkaProducer.send` spends 40 to 60 µs on a record: a future, several locks, and Python code for each byte of each
length. The sender behind it works on batches only: it numbers them (idempotence), finds the partition leaders and
retries. So this module builds the batches and gives them to that sender.

Private parts of kafka-python 3.0.12 used here (pinned in pyproject.toml, covered by a test on a real broker):
- `KafkaProducer._accumulator` with `_incomplete`, `_tp_lock()` and `_batches`, and `KafkaProducer._sender`: in
  `__init__`, `send` and `close`;
- `ProducerBatch` with `produce_future` and `record_count`: in `send` and `InFlightBatch`;
- `MemoryRecordsBuilder._builder` with `_buffer`, `_first_timestamp`, `_max_timestamp`, `_num_records`, `_last_offset`,
  and `MemoryRecordsBuilder._next_offset`: in `ready_made`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.producer_batch import ProducerBatch
from kafka.record.memory_records import MemoryRecordsBuilder

from infra.kafka.client.record_batch import Batches, RecordBatch

DELIVERY_SECONDS = 15.0
"""A batch that is not acknowledged within this time has failed."""


class PublishFailed(Exception):
    """Some records may not have arrived."""


@dataclass(slots=True)
class InFlightBatch:
    """Batches that were sent together, at most one for each partition."""

    batches: dict[TopicPartition, Any] = field(default_factory=dict)

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until every batch is acknowledged or failed. Returns whether it is."""
        deadline = monotonic() + timeout
        return all(batch.produce_future.wait(max(0.0, deadline - monotonic())) for batch in self.batches.values())

    def offsets(self) -> dict[TopicPartition, tuple[int, int]]:
        """The first offset of each batch (-1 if the broker no longer knows it) and its number of records.

        Raises:
            PublishFailed: not every batch is acknowledged.
        """
        offsets = {}
        for partition, batch in self.batches.items():
            future = batch.produce_future
            if not future.is_done:
                raise PublishFailed("not acknowledged in time")
            offset, _, error_of = future.value
            if error_of is not None:
                raise PublishFailed(type(error_of(0)).__name__)
            offsets[partition] = (offset, batch.record_count)
        return offsets


class BatchProducer:
    """A producer of whole batches. The caller keeps one batch of a partition in flight: then none overtakes another."""

    def __init__(self, producer: KafkaProducer, topics: Iterable[str]) -> None:
        """Take over `producer`, which must be idempotent. All topics are asked for together: each question to the
        broker takes a tenth of a second, in which a relay that takes over would publish nothing.

        Raises:
            kafka.errors.KafkaError: a topic does not exist.
        """
        self._producer = producer
        wanted = list(topics)
        for topic in wanted:
            producer._sender.add_topic(topic)
        for topic in wanted:
            producer.partitions_for(topic)

    def send(self, batches: Batches) -> InFlightBatch:
        """Send the batches. None may be empty, and all batches sent before must be acknowledged."""
        in_flight = InFlightBatch()
        accumulator = self._producer._accumulator
        for (topic, number), batch in batches.items():
            partition = TopicPartition(topic, number)
            ready = in_flight.batches[topic, number] = ProducerBatch(partition, ready_made(batch))
            accumulator._incomplete.add(ready)
            with accumulator._tp_lock(partition):
                accumulator._batches[partition].append(ready)
        self._producer._sender.wakeup()
        return in_flight

    def close(self) -> None:
        """Stop sending at once, and drop the batches in flight."""
        try:
            self._producer._sender.force_close()
            self._producer._sender.join(2.0)
            self._producer.close(timeout=0)
        except (KafkaError, KafkaTimeoutError):
            return


def ready_made(batch: RecordBatch) -> MemoryRecordsBuilder:
    """The batch as kafka-python's sender takes it: complete, and closed to further records."""
    # With a batch size of one byte it counts as full, so the sender does not wait for more records.
    records = MemoryRecordsBuilder(2, 0, 1)
    builder = records._builder
    builder._buffer += b"".join(batch.parts)
    builder._first_timestamp, builder._max_timestamp = batch.first, batch.newest
    builder._num_records, builder._last_offset = batch.count, batch.count - 1
    records._next_offset = batch.count
    return records
