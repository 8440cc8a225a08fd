"""Finds where in a partition a position of the log stands: by halving, as positions grow along a partition."""

from collections.abc import Callable
from math import inf
from time import monotonic
from typing import Any

from kafka import KafkaConsumer, TopicPartition

POLL_MS = 200
AT_ONCE = 50

PositionOf = Callable[[Any], int | None]
"""Where in the log a record stands; None where it does not say."""


def find(
    consumer: KafkaConsumer, place: TopicPartition, position: int, position_of: PositionOf, patience: float
) -> int:
    """The offset of the first record after `position`; the partition's end if there is none.

    Positions grow along a partition. Of those that were published twice either occurrence may be found: after each,
    all that follows comes again. `consumer` belongs to no group, and the place is all that is assigned to it.

    Raises:
        TimeoutError: the broker does not hand out records within `patience` seconds.
    """
    deadline = monotonic() + patience
    low, high = consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]
    while low < high:
        middle = (low + high) // 2
        offset, found = _first_sound(consumer, place, range(middle, high), position_of, deadline)
        if found > position:
            high = middle
        else:
            low = offset + 1
    return int(low)


def _first_sound(
    consumer: KafkaConsumer, place: TopicPartition, offsets: range, position_of: PositionOf, deadline: float
) -> tuple[int, float]:
    """Offset and position of the first record among `offsets` that says where it stands; none: beyond all positions."""
    consumer.seek(place, offsets.start)
    while consumer.position(place) < offsets.stop:
        if monotonic() > deadline:
            raise TimeoutError
        for record in consumer.poll(POLL_MS, max_records=AT_ONCE).get(place, ()):
            position = position_of(record)
            if position is not None and record.offset in offsets:
                return record.offset, position
    return offsets.stop, inf
