"""What is already there: where each partition ends, and up to which position it holds all that belongs into it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from infra.kafka import wire
from infra.kafka.batches import Place

PATIENCE_SECONDS = 10.0
LOOKED_AT = 64
"""Records at the end of a partition among which one of ours is looked for."""
NEVER = 2**62
"""An offset that no partition reaches."""
SEQUENCE = "ce_sequence"

KNOWN = "SELECT topic, partition, next_offset, position FROM relays WHERE topic = ANY(%s)"
KEEP = """
INSERT INTO relays (topic, partition, next_offset, position)
SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[])
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset, position = excluded.position
"""

PositionOf = Callable[[Any], int]
"""The position of a record; 0 where it has none."""


@dataclass(slots=True)
class End:
    """A partition's end. Every event up to `position` that belongs there stands before `next_offset`; `last` is the
    position of the last record."""

    next_offset: int
    position: int
    last: int

    def move(self, offset: int, count: int) -> int:
        """Take note of new records, of which the first has that offset (-1: unknown). Answers how many came between;
        a number below zero says that the partition was made anew."""
        between = 0 if offset < 0 else offset - self.next_offset
        self.next_offset += count + max(0, between)
        return between


def load(connection: psycopg.Connection[Any], topics: Sequence[str]) -> dict[Place, tuple[int, int]]:
    """Offset and position of each place, as `save` has left them."""
    rows = connection.execute(KNOWN, [list(topics)])
    return {(topic, partition): (offset, position) for topic, partition, offset, position in rows}


def save(connection: psycopg.Connection[Any], ends: Mapping[Place, End]) -> None:
    """Keep where the places end."""
    columns = zip(*((*place, end.next_offset, end.position) for place, end in sorted(ends.items())), strict=True)
    connection.execute(KEEP, [list(column) for column in columns])


def lose(connection: psycopg.Connection[Any], topic: str, partitions: int) -> None:
    """Have a topic filled again from the beginning, whatever it holds."""
    save(connection, {(topic, partition): End(NEVER, 0, 0) for partition in range(partitions)})


def counts_of(places: Iterable[Place]) -> dict[str, int]:
    """The number of places of each topic."""
    found: dict[str, int] = {}
    for topic, _ in places:
        found[topic] = found.get(topic, 0) + 1
    return found


def look(
    consumer: KafkaConsumer, places: Sequence[Place], known: Mapping[Place, tuple[int, int]]
) -> tuple[dict[Place, End], list[Place]]:
    """Where the places end, and which of them have lost records since.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    partitions = [TopicPartition(*place) for place in places]
    begins, stops = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    lasts = _last_positions(consumer, {each: (begins[each], stops[each]) for each in partitions})
    ends, lost = {}, []
    for each in partitions:
        place = (each.topic, each.partition)
        offset, position = known.get(place, (0, 0))
        if stops[each] < offset:
            # What it holds now may be its history's end without the beginning.
            lost.append(place)
            ends[place] = End(stops[each], 0, 0)
        else:
            ends[place] = End(stops[each], max(position, lasts[each]), lasts[each])
    return ends, lost


def _last_positions(
    consumer: KafkaConsumer, ranges: Mapping[TopicPartition, tuple[int, int]]
) -> dict[TopicPartition, int]:
    """The position of each partition's last record of ours; 0: it has none, or has long lost it to retention."""
    found = dict.fromkeys(ranges, 0)
    unread = {each for each, (begin, stop) in ranges.items() if begin < stop}
    consumer.assign(sorted(unread))
    for each in unread:
        begin, stop = ranges[each]
        consumer.seek(each, max(begin, stop - LOOKED_AT))
    deadline = monotonic() + PATIENCE_SECONDS
    while unread:
        for each, records in consumer.poll(200).items():
            found[each] = next(filter(None, map(position_of, reversed(records))), found[each])
        unread = {each for each in unread if consumer.position(each) < ranges[each][1]}
        if unread and monotonic() > deadline:
            raise KafkaTimeoutError("the ends of the topics cannot be read")
    return found


def position_of(record: Any) -> int:
    """The position that a record says, private or public; 0 for a foreign one."""
    for name, value in record.headers:
        if name == SEQUENCE:
            return int(value) if value.isdigit() else 0
    try:
        return wire.decode_record(record).position
    except wire.Foreign:
        return 0
