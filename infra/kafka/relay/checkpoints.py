"""What is already there: where each partition ends, and up to which position it holds all that belongs into it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg
import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from infra.errors import SetupError
from infra.kafka.client import record_format
from infra.store.log_rows import HEAD

PATIENCE_SECONDS = 10.0
LOOKED_AT = 64
"""Records at the end of a partition among which one of ours is looked for."""
NEVER = 2**62
"""An offset that no partition reaches."""
SEQUENCE = "ce_sequence"
DIGITS = 19
"""Of the largest position that a database can hold."""

KNOWN = "SELECT topic, partition, next_offset, position FROM relays WHERE topic = ANY(%s)"
KEEP = """
INSERT INTO relays (topic, partition, next_offset, position)
SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[])
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset, position = excluded.position
"""

PositionOf = Callable[[Any], int]
"""The position of a record; 0 where it has none."""

log = structlog.get_logger(__name__)


class LogBehind(SetupError):
    """The log ends before what has been published."""


@dataclass(slots=True)
class PartitionEnd:
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


def load(connection: psycopg.Connection[Any], topics: Sequence[str]) -> dict[TopicPartition, tuple[int, int]]:
    """Offset and position of each place, as `save` has left them."""
    rows = connection.execute(KNOWN, [list(topics)])
    return {(topic, partition): (offset, position) for topic, partition, offset, position in rows}


def save(connection: psycopg.Connection[Any], ends: Mapping[TopicPartition, PartitionEnd]) -> None:
    """Keep where the places end."""
    columns = zip(*((*place, end.next_offset, end.position) for place, end in sorted(ends.items())), strict=True)
    connection.execute(KEEP, [list(column) for column in columns])


def lose(connection: psycopg.Connection[Any], topic: str, partitions: int) -> None:
    """Have a topic filled again from the beginning, whatever it holds."""
    save(connection, {(topic, partition): PartitionEnd(NEVER, 0, 0) for partition in range(partitions)})


def counts_of(places: Iterable[TopicPartition]) -> dict[str, int]:
    """The number of places of each topic."""
    found: dict[str, int] = {}
    for topic, _ in places:
        found[topic] = found.get(topic, 0) + 1
    return found


def head_of(connection: psycopg.Connection[Any]) -> int:
    """The position of the log's last event."""
    row = connection.execute(HEAD).fetchone()
    assert row is not None
    return int(row[0])


def require_log(known: Mapping[TopicPartition, tuple[int, int]], head: int) -> None:
    """See that the log, which ends at `head`, has what was published.

    Raises:
        LogBehind: it has lost events.
    """
    for (topic, _), (_, position) in known.items():
        if position > head:
            raise LogBehind(
                f"The topic {topic} has the events up to position {position}, and the log ends at {head}: the database "
                "was restored to an earlier state. Restore a later one, or take another PALIMPSEST_KAFKA_PREFIX, under "
                "which everything is published anew."
            )


def look(
    consumer: KafkaConsumer,
    places: Sequence[TopicPartition],
    known: Mapping[TopicPartition, tuple[int, int]],
    head: Callable[[], int],
) -> tuple[dict[TopicPartition, PartitionEnd], list[TopicPartition]]:
    """Where the places end, and which of them have lost records since. `head` tells where the log ends: no event that
    is published can be beyond.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    partitions = [TopicPartition(*place) for place in places]
    begins, stops = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    lasts = _last_positions(consumer, {each: (begins[each], stops[each]) for each in partitions}, head())
    ends, lost = {}, []
    for each in partitions:
        place = (each.topic, each.partition)
        offset, position = known.get(place, (0, 0))
        last_at, last = lasts[each]
        if stops[each] < offset:
            # What it holds now may be its history's end without the beginning.
            lost.append(place)
            ends[place] = PartitionEnd(stops[each], 0, 0)
        elif last_at >= offset:
            ends[place] = PartitionEnd(stops[each], max(position, last), last)
        else:
            # A topic that is being filled again may still end with what it held before.
            ends[place] = PartitionEnd(stops[each], position, min(position, last))
    return ends, lost


def _last_positions(
    consumer: KafkaConsumer, ranges: Mapping[TopicPartition, tuple[int, int]], head: int
) -> dict[TopicPartition, tuple[int, int]]:
    """Offset and position of each partition's last record of ours; -1 and 0: it has none, or has long lost it to
    retention."""
    found = dict.fromkeys(ranges, (-1, 0))
    unread = {each for each, (begin, stop) in ranges.items() if begin < stop}
    consumer.assign(sorted(unread))
    for each in unread:
        begin, stop = ranges[each]
        consumer.seek(each, max(begin, stop - LOOKED_AT))
    deadline = monotonic() + PATIENCE_SECONDS
    while unread:
        for each, records in consumer.poll(200).items():
            for record in records:
                if record.offset < ranges[each][1] and (position := _position_within(record, head)):
                    found[each] = (record.offset, position)
        unread = {each for each in unread if consumer.position(each) < ranges[each][1]}
        if unread and monotonic() > deadline:
            raise KafkaTimeoutError("the ends of the topics cannot be read")
    return found


def _position_within(record: Any, head: int) -> int:
    """The position that a record says; 0 for a foreign one, and what is beyond the log is foreign."""
    position = position_of(record)
    if 0 <= position <= head:
        return position
    log.error(
        "a record says a position that the log does not have; it counts as foreign",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        head=head,
    )
    return 0


def position_of(record: Any) -> int:
    """The position that a record says, private or public; 0 for a foreign one."""
    for name, value in record.headers:
        if name == SEQUENCE:
            return sequence_of(value) or 0
    try:
        return record_format.decode_record(record).position
    except record_format.ForeignRecord:
        return 0


def sequence_of(value: bytes | None) -> int | None:
    """The position in a header; None: it is none."""
    return int(value) if value and len(value) <= DIGITS and value.isdigit() else None
