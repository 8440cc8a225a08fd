"""Finds the offset of a log position in a partition, by binary search: positions grow along a partition."""

from math import inf
from time import monotonic

from kafka import KafkaConsumer, TopicPartition

from infra.kafka.client.record_position import PositionOf

POLL_MS = 200
PROBE_RECORDS = 50


def find(
    consumer: KafkaConsumer, partition: TopicPartition, position: int, position_of: PositionOf, timeout: float
) -> int:
    """The offset of the first record after `position`; the partition's end if there is none.

    If records were published twice, the offset may be that of either occurrence: after both of them, all later records
    follow. `consumer` belongs to no group, and this partition is all that is assigned to it.

    Raises:
        TimeoutError: the broker returns no records within `timeout` seconds.
    """
    deadline = monotonic() + timeout
    low, high = consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]
    while low < high:
        middle = (low + high) // 2
        offset, found = _first_with_position(consumer, partition, range(middle, high), position_of, deadline)
        if found > position:
            high = middle
        else:
            low = offset + 1
    return int(low)


def _first_with_position(
    consumer: KafkaConsumer, partition: TopicPartition, offsets: range, position_of: PositionOf, deadline: float
) -> tuple[int, float]:
    """Offset and position of the first record in `offsets` that has a position; if none has one, infinity."""
    consumer.seek(partition, offsets.start)
    while consumer.position(partition) < offsets.stop:
        if monotonic() > deadline:
            raise TimeoutError
        for record in consumer.poll(POLL_MS, max_records=PROBE_RECORDS).get(partition, ()):
            position = position_of(record)
            if position is not None and record.offset in offsets:
                return record.offset, position
    return offsets.stop, inf
