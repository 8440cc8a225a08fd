"""Checkpoints of the relay, in the table `relays`: where each partition ends, and up to which position it is complete.

At start-up they are compared with the topics themselves, since a relay may have died before it saved, and a topic may
have been deleted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import psycopg
import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError

from infra.errors import SetupError
from infra.kafka.client.record_position import position_of
from infra.store.log_rows import HEAD

READ_TIMEOUT_SECONDS = 10.0
TAIL_RECORDS = 64
"""Records at the end of a partition among which the relay's last record is searched."""
UNREACHABLE_OFFSET = 2**62
"""An offset that no partition reaches."""

LOAD = "SELECT topic, partition, next_offset, position FROM relays WHERE topic = ANY(%s)"
SAVE = """
INSERT INTO relays (topic, partition, next_offset, position)
SELECT * FROM unnest(%s::text[], %s::int[], %s::bigint[], %s::bigint[])
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset, position = excluded.position
"""

log = structlog.get_logger(__name__)


class LogBehind(SetupError):
    """The log ends before the last published event."""


@dataclass(slots=True)
class PartitionEnd:
    """The end of a partition.

    Every event of the partition up to `position` comes before `next_offset`. `last`: the position of the last record.
    """

    next_offset: int
    position: int
    last: int

    def advance(self, offset: int, count: int) -> int:
        """Move past `count` new records, the first of which has that offset (-1: unknown).

        Returns how many records of other producers came between. Below zero: the topic was deleted and created again.
        """
        between = 0 if offset < 0 else offset - self.next_offset
        self.next_offset += count + max(0, between)
        return between


def load(connection: psycopg.Connection[Any], topics: Sequence[str]) -> dict[TopicPartition, tuple[int, int]]:
    """Load the saved offset and position of each partition."""
    rows = connection.execute(LOAD, [list(topics)])
    return {(topic, partition): (offset, position) for topic, partition, offset, position in rows}


def save(connection: psycopg.Connection[Any], ends: Mapping[TopicPartition, PartitionEnd]) -> None:
    """Save offset and position of each partition."""
    columns = zip(*((*each, end.next_offset, end.position) for each, end in sorted(ends.items())), strict=True)
    connection.execute(SAVE, [list(column) for column in columns])


def reset(connection: psycopg.Connection[Any], topic: str, partitions: int) -> None:
    """Save that a topic holds nothing, so that the next start fills it again from the beginning."""
    save(connection, {(topic, partition): PartitionEnd(UNREACHABLE_OFFSET, 0, 0) for partition in range(partitions)})


def count_partitions(partitions: Iterable[TopicPartition]) -> dict[str, int]:
    """The number of partitions of each topic."""
    counts: dict[str, int] = {}
    for topic, _ in partitions:
        counts[topic] = counts.get(topic, 0) + 1
    return counts


def head_of(connection: psycopg.Connection[Any]) -> int:
    """The position of the log's last event."""
    row = connection.execute(HEAD).fetchone()
    assert row is not None
    return int(row[0])


def require_log(saved: Mapping[TopicPartition, tuple[int, int]], head: int) -> None:
    """Check that the log, which ends at `head`, holds all that was published.

    Raises:
        LogBehind: it has lost events.
    """
    for (topic, _), (_, position) in saved.items():
        if position > head:
            raise LogBehind(
                f"The topic {topic} has the events up to position {position}, but the log ends at {head}: the database "
                "was restored to an earlier state. Restore a later one, or take another PALIMPSEST_KAFKA_PREFIX, under "
                "which all events are published again."
            )


def read_ends(
    consumer: KafkaConsumer,
    partitions: Sequence[TopicPartition],
    saved: Mapping[TopicPartition, tuple[int, int]],
    head: Callable[[], int],
) -> tuple[dict[TopicPartition, PartitionEnd], list[TopicPartition]]:
    """Read where the partitions end. Returns the ends, and the partitions that have lost records since `saved`.

    `head` returns the end of the log; a record with a later position counts as foreign.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    keys = [TopicPartition(*each) for each in partitions]
    begins, stops = consumer.beginning_offsets(keys), consumer.end_offsets(keys)
    lasts = _last_positions(consumer, {each: (begins[each], stops[each]) for each in keys}, head())
    ends, lost = {}, []
    for each in keys:
        partition = (each.topic, each.partition)
        offset, position = saved.get(partition, (0, 0))
        last_offset, last = lasts[each]
        if stops[each] < offset:
            # The records it holds now may be the end of the history without the beginning.
            lost.append(partition)
            ends[partition] = PartitionEnd(stops[each], 0, 0)
        elif last_offset >= offset:
            ends[partition] = PartitionEnd(stops[each], max(position, last), last)
        else:
            # A topic that is being filled again may still end with the records it held before.
            ends[partition] = PartitionEnd(stops[each], position, min(position, last))
    return ends, lost


def _last_positions(
    consumer: KafkaConsumer, ranges: Mapping[TopicPartition, tuple[int, int]], head: int
) -> dict[TopicPartition, tuple[int, int]]:
    """Offset and position of the relay's last record in each partition.

    -1 and 0: there is none among the last records, or retention has removed it.
    """
    found = dict.fromkeys(ranges, (-1, 0))
    unread = {each for each, (begin, stop) in ranges.items() if begin < stop}
    consumer.assign(sorted(unread))
    for each in unread:
        begin, stop = ranges[each]
        consumer.seek(each, max(begin, stop - TAIL_RECORDS))
    deadline = monotonic() + READ_TIMEOUT_SECONDS
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
    """The position of a record; 0 for a foreign record. A record with a position beyond the log is foreign."""
    position = position_of(record)
    if 0 <= position <= head:
        return position
    log.error(
        "record has a position beyond the log; treated as foreign",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        head=head,
    )
    return 0
