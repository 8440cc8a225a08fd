"""Compares the topics of events with the store: nothing missing, nothing more, in the same order.

Both sides are read together, one range of positions after the other, and each side's range gets a digest. Where the
digests differ, the first difference is reported. A repeated record with the same content is no difference: consumers
recognise it by its position.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from infra.kafka.client.ordered_reader import OrderedReader, TopicRecord, attempts, partitions_of, seek_to_position
from infra.kafka.client.record_format import EventRow
from infra.kafka.reconcile.differences import (
    Difference,
    ExpectedTopic,
    PositionRange,
    RecordCount,
    Report,
    SeenRecord,
    changed,
    false_watermark,
    first_of,
    misplaced,
    missing,
    phantom,
    reordered,
)
from infra.postgres.connect import Connection
from infra.progress import Progress
from infra.store.log_rows import EVENT_COLUMNS, HEAD, PAGE_BYTES, page_of
from infra.store.partitioner import key_of, partition_of

RANGE = 10_000
"""Maximum number of positions that are compared together; fewer, if their events reach `PAGE_BYTES`."""
CHECKED_TOGETHER = 32
"""Single records whose events are read together."""

BETWEEN = page_of("""
    SELECT * FROM stored_events WHERE notification_id > %s AND notification_id <= %s
    ORDER BY notification_id LIMIT %s
""")
THESE = f"SELECT {EVENT_COLUMNS} FROM stored_events WHERE notification_id = ANY(%s)"  # noqa: S608


class EventComparison:
    """Compares topics with the log from position `first` to `last`; without `last`, to the end of both.

    `partitions`: the partition count of a topic that does not exist. `timeout`: seconds to wait for a record once it is
    found missing.
    """

    def __init__(
        self,
        store: Connection,
        consumer: KafkaConsumer,
        expected: Sequence[ExpectedTopic],
        partitions: int,
        *,
        first: int = 1,
        last: int | None = None,
        timeout: float = 0.0,
    ) -> None:
        self._store = store
        self._whole = last is None
        self._timeout = timeout
        self.report = Report(first, head(store) if last is None else last)
        self._layout = TopicLayout(consumer, expected, partitions, timeout)
        self.report.counts = {each.topic: RecordCount() for each in expected}
        self._cursors = {each: PartitionCursor(0 if first == 1 else None) for each in self._layout.partitions()}
        seek_to_position(consumer, self._layout.existing, first, lambda record: self._layout.parse(record).position)
        self._reader = OrderedReader(consumer, self._layout.parse)

    def run(self, progress: Progress) -> Report:
        """Compare until the first difference, or to the end.

        Raises:
            Unavailable: Kafka does not answer.
            psycopg.OperationalError: the database does not answer.
        """
        report, after = self.report, self.report.first - 1
        while after < report.last and report.ok:
            rows = _rows(self._store, BETWEEN, [after, report.last, RANGE, PAGE_BYTES])
            upto = max(rows, default=report.last)
            report.difference = self._compare(after, upto, rows)
            after = upto
            progress(after - report.first + 1, report.last - report.first + 1)
        if report.ok and self._whole:
            report.difference = self._compare_rest()
        return report

    def _compare(self, after: int, upto: int, rows: Mapping[int, EventRow]) -> Difference | None:
        comparison = _RangeComparison(self._layout, self._cursors, self.report.counts, rows)
        differences = self._read(comparison, after, upto)
        for _ in attempts(self._timeout):
            if differences or not comparison.first_missing():
                break
            self._reader.refresh_ends()
            differences = self._read(comparison, after, upto)
        first = first_of(differences)
        lacking = comparison.first_missing()
        if lacking and (first is None or lacking[1].position < (first.position or 0)):
            first = self._trace(*lacking)
        comparison.count_skipped()
        self.report.ranges.append(PositionRange(after + 1, upto, *comparison.digests()))
        return first

    def _read(self, comparison: "_RangeComparison", after: int, upto: int) -> list[Difference]:
        differences: list[Difference] = []
        repeats: list[tuple[TopicPartition, SeenRecord]] = []
        for partition, seen in self._reader.read_to_position(upto):
            if seen.position is None or seen.position > after or seen.is_watermark:
                differences.extend(comparison.take(partition, seen))
            elif seen.position < self.report.first:
                self._cursors[partition].skip(seen.position)
            else:
                self.report.counts[partition.topic].repeats += 1
                repeats.append((partition, seen))
                if len(repeats) >= RANGE:
                    differences.extend(self._check_each(repeats))
                    repeats.clear()
        return [*differences, *self._check_each(repeats)]

    def _check_each(self, records: Sequence[tuple[TopicPartition, SeenRecord]]) -> Iterator[Difference]:
        """Differences of single records, without regard to their order."""
        for start in range(0, len(records), CHECKED_TOGETHER):
            some = records[start : start + CHECKED_TOGETHER]
            positions = [seen.position for _, seen in some if seen.position is not None]
            rows = _rows(self._store, THESE, [positions]) if positions else {}
            for partition, seen in some:
                yield from self._layout.faults(partition, seen, rows)

    def _trace(self, partition: TopicPartition, row: EventRow) -> Difference:
        """Find out whether a missing event comes later in its partition, or not at all."""
        before: SeenRecord | None = None
        for seen in self._reader.read_rest(partition) if partition in self._layout.existing else ():
            if seen.position == row.position and not seen.is_watermark:
                if before is not None and before.is_watermark:
                    return false_watermark(partition, seen, f"comes after a watermark at {before.position}")
                blocker = [] if before is None else [(partition, before)]
                return next(self._check_each(blocker), reordered(partition, seen, row, (before or seen).position))
            before = before or seen
        return missing(partition, row)

    def _compare_rest(self) -> Difference | None:
        """Check that events beyond the last position were committed since the comparison began."""
        self._reader.refresh_ends()
        records: list[tuple[TopicPartition, SeenRecord]] = []
        for partition, seen in self._reader.read_to_position():
            if not seen.is_watermark:
                records.append((partition, seen))
            elif (seen.position or 0) > head(self._store):
                return false_watermark(partition, seen, "is guaranteed to be complete, but is not committed")
            if len(records) >= RANGE:
                if difference := next(self._check_each(records), None):
                    return difference
                records.clear()
        return next(self._check_each(records), None)


class TopicLayout:
    """The partition of each event, and the parts of a record that are compared."""

    def __init__(
        self, consumer: KafkaConsumer, expected: Sequence[ExpectedTopic], partitions: int, timeout: float
    ) -> None:
        self.topics = {each.topic: each for each in expected}
        self.existing = partitions_of(consumer, list(self.topics), timeout)
        self._counts = {
            topic: sum(each.topic == topic for each in self.existing) or partitions for topic in self.topics
        }

    def partitions(self) -> list[TopicPartition]:
        """All partitions that should exist."""
        return [TopicPartition(topic, n) for topic, count in self._counts.items() for n in range(count)]

    def partition_of(self, topic: ExpectedTopic, row: EventRow) -> TopicPartition:
        """The partition of an event that belongs to the topic."""
        return TopicPartition(topic.topic, partition_of(key_of(row.stream_id), self._counts[topic.topic]))

    def parse(self, record: TopicRecord) -> SeenRecord:
        """The compared parts of a record."""
        return self.topics[record.topic].parse(record)

    def faults(self, partition: TopicPartition, seen: SeenRecord, rows: Mapping[int, EventRow]) -> Iterator[Difference]:
        """Differences of a single record. `rows`: the stored events, at least that of the record's position."""
        topic = self.topics[partition.topic]
        row = None if seen.position is None else rows.get(seen.position)
        if row is None:
            yield phantom(partition, seen, "is not committed")
        elif not topic.contains(row):
            yield phantom(partition, seen, f"is {row.topic} and does not belong to this topic")
        elif seen.digest != topic.digest(row):
            yield changed(partition, seen, row, "differs from the stored event")
        elif (expected := self.partition_of(topic, row)) != partition:
            yield misplaced(partition, seen, row, expected.partition)


class PartitionCursor:
    """How far a partition was read: its last new event (None: unknown), and the position its watermarks guarantee."""

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.complete_to = 0

    def skip(self, position: int) -> None:
        """Pass an event before the compared range."""
        self.last = max(position, self.last or 0)

    def faults(self, partition: TopicPartition, seen: SeenRecord, row: EventRow) -> Iterator[Difference]:
        """Differences between a new event and the records before it. The event is then the last one."""
        last, self.last = self.last, row.position
        if row.position <= self.complete_to:
            yield false_watermark(partition, seen, f"comes after a watermark at {self.complete_to}")
        elif last is None or seen.previous is None:
            return
        elif not last <= seen.previous <= max(last, self.complete_to):
            yield changed(partition, seen, row, f"names {seen.previous} as the position before it, which is {last}")


class _RangeComparison:
    """One range of positions: the digests that each partition should have, and those that it has."""

    def __init__(
        self,
        layout: TopicLayout,
        cursors: Mapping[TopicPartition, PartitionCursor],
        counts: Mapping[str, RecordCount],
        rows: Mapping[int, EventRow],
    ) -> None:
        self._layout, self._cursors, self._counts, self._rows = layout, cursors, counts, rows
        self._expected: dict[TopicPartition, dict[int, bytes]] = {each: {} for each in cursors}
        self._found: dict[TopicPartition, dict[int, bytes]] = {each: {} for each in cursors}
        for topic in layout.topics.values():
            for row in rows.values():
                if topic.contains(row):
                    self._expected[layout.partition_of(topic, row)][row.position] = topic.digest(row)

    def take(self, partition: TopicPartition, seen: SeenRecord) -> Iterator[Difference]:
        """Compare the next record of a partition with the expected ones."""
        cursor, count, position = self._cursors[partition], self._counts[partition.topic], seen.position
        if seen.is_watermark:
            count.watermarks += 1
            cursor.complete_to = max(cursor.complete_to, position or 0)
        elif position is None or self._expected[partition].get(position) != seen.digest:
            yield from self._layout.faults(partition, seen, self._rows)
        elif position in self._found[partition]:
            count.repeats += 1
        elif cursor.last is not None and position < cursor.last:
            yield reordered(partition, seen, self._rows[position], cursor.last)
        else:
            count.events += 1
            self._found[partition][position] = seen.digest
            yield from cursor.faults(partition, seen, self._rows[position])

    def first_missing(self) -> tuple[TopicPartition, EventRow] | None:
        """The first missing event, and its partition."""
        lacking = [each for each in self._missing() if not self._layout.topics[each[1].topic].may_be_missing(each[2])]
        first = min(lacking, key=lambda each: each[:2], default=None)
        return first and first[1:]

    def count_skipped(self) -> None:
        """Count the events that may be missing."""
        for _, partition, row in self._missing():
            self._counts[partition.topic].skipped += self._layout.topics[partition.topic].may_be_missing(row)

    def digests(self) -> tuple[str, str]:
        """Digests of the expected records, and of those found, in the order in which they were read."""
        return _digest(self._expected), _digest(self._found)

    def _missing(self) -> Iterator[tuple[int, TopicPartition, EventRow]]:
        for partition, expected in self._expected.items():
            for position in expected.keys() - self._found[partition].keys():
                yield position, partition, self._rows[position]


def head(store: Connection) -> int:
    """The last position; 0 for an empty log."""
    row = store.execute(HEAD).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def _digest(digests: Mapping[TopicPartition, Mapping[int, bytes]]) -> str:
    whole = blake2b(digest_size=16)
    for partition in sorted(digests):
        whole.update(f"{partition.topic}/{partition.partition}:".encode())
        whole.update(b"".join(digests[partition].values()))
    return whole.hexdigest()


def _rows(store: Connection, query: str, parameters: Sequence[Any]) -> dict[int, EventRow]:
    with store.cursor(binary=True) as cursor:
        return {row[0]: EventRow(*row) for row in cursor.execute(query.encode(), parameters)}
