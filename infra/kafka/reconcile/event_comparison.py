"""Proves that the topics of events say what the store says: nothing missing, nothing more, in the same order.

Both are read side by side, a range of positions at a time, and a digest is made of each side's range. Where they are
not the same, the first difference is named. Records that come again are no difference as long as they say the same:
consumers know them by their position.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import psycopg
from kafka import KafkaConsumer, TopicPartition

from infra.kafka.client.ordered_reader import OrderedReader, TopicRecord, attempts, begin_at, partitions_of
from infra.kafka.client.record_format import EventRow
from infra.kafka.reconcile.differences import (
    Difference,
    ExpectedTopic,
    PositionRange,
    RecordCount,
    Report,
    SeenRecord,
    broken_promise,
    changed,
    first_of,
    late,
    misplaced,
    missing,
    phantom,
)
from infra.store.partitioner import key_of, partition_of

RANGE = 10_000
"""Positions that are compared at once."""

_COLUMNS = (
    "notification_id, originator_id, originator_version, topic, state, event_id, class_version, recorded_at,"
    " actor_id, correlation_id, causation_id"
)
BETWEEN = f"""
SELECT {_COLUMNS} FROM stored_events WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id
"""  # noqa: S608
THESE = f"SELECT {_COLUMNS} FROM stored_events WHERE notification_id = ANY(%s)"  # noqa: S608
HEAD = "SELECT coalesce(max(notification_id), 0) FROM stored_events"

Connection = psycopg.Connection[tuple[Any, ...]]
Progress = Callable[[int, int], None]
"""Told how many positions are done, of how many."""


class EventComparison:
    """Compares topics with the log from position `first` to `last`; without `last`, to the end of both.

    `partitions`: how many a topic has that is not there. What the topics lack is waited for, `patience` seconds from
    when it is found lacking.
    """

    def __init__(
        self,
        store: Connection,
        consumer: KafkaConsumer,
        watched: Sequence[ExpectedTopic],
        partitions: int,
        *,
        first: int = 1,
        last: int | None = None,
        patience: float = 0.0,
    ) -> None:
        self._store = store
        self._whole = last is None
        self._patience = patience
        self.report = Report(first, head(store) if last is None else last)
        self._map = TopicLayout(consumer, watched, partitions, patience)
        self.report.counts = {each.topic: RecordCount() for each in watched}
        self._followed = {place: PartitionCursor(0 if first == 1 else None) for place in self._map.places()}
        begin_at(consumer, self._map.there, first, lambda record: self._map.find(record).position)
        self._reader = OrderedReader(consumer, self._map.find)

    def run(self, progress: Progress) -> Report:
        """Compare until the first difference, or to the end.

        Raises:
            Unavailable: Kafka does not answer.
            psycopg.OperationalError: the database does not.
        """
        report, after = self.report, self.report.first - 1
        while after < report.last and report.ok:
            upto = min(after + RANGE, report.last)
            report.difference = self._compare(after, upto)
            after = upto
            progress(after - report.first + 1, report.last - report.first + 1)
        if report.ok and self._whole:
            report.difference = self._beyond()
        return report

    def _compare(self, after: int, upto: int) -> Difference | None:
        part = _RangeComparison(
            self._map, self._followed, self.report.counts, _rows(self._store, BETWEEN, [after, upto])
        )
        differences = self._read(part, after, upto)
        for _ in attempts(self._patience):
            if differences or not part.lacks():
                break
            self._reader.look()
            differences = self._read(part, after, upto)
        known = first_of(differences)
        lack = part.lacks()
        if lack and (known is None or lack[1].position < (known.position or 0)):
            known = self._trace(*lack)
        part.settle()
        self.report.ranges.append(PositionRange(after + 1, upto, *part.digests()))
        return known

    def _read(self, part: "_RangeComparison", after: int, upto: int) -> list[Difference]:
        differences: list[Difference] = []
        again: list[tuple[TopicPartition, SeenRecord]] = []
        for place, found in self._reader.upto(upto):
            if found.position is None or found.position > after or found.is_watermark:
                differences.extend(part.take(place, found))
            elif found.position < self.report.first:
                self._followed[place].skip(found.position)
            else:
                self.report.counts[place.topic].repeats += 1
                again.append((place, found))
                if len(again) >= RANGE:
                    differences.extend(self._single(again))
                    again.clear()
        return [*differences, *self._single(again)]

    def _single(self, records: Sequence[tuple[TopicPartition, SeenRecord]]) -> Iterator[Difference]:
        """What is wrong with records by themselves, wherever they stand."""
        positions = [found.position for _, found in records if found.position is not None]
        rows = _rows(self._store, THESE, [positions]) if positions else {}
        for place, found in records:
            yield from self._map.faults(place, found, rows)

    def _trace(self, place: TopicPartition, row: EventRow) -> Difference:
        """Say whether an event that does not come where it belongs comes later, or not at all."""
        before: SeenRecord | None = None
        for found in self._reader.ahead(place) if place in self._map.there else ():
            if found.position == row.position and not found.is_watermark:
                stopper = [] if before is None else [(place, before)]
                return next(self._single(stopper), late(place, found, row, (before or found).position))
            before = before or found
        return missing(place, row)

    def _beyond(self) -> Difference | None:
        """See that what the topics hold beyond the last position was committed meanwhile."""
        self._reader.look()
        some: list[tuple[TopicPartition, SeenRecord]] = []
        for place, found in self._reader.upto():
            if not found.is_watermark:
                some.append((place, found))
            elif (found.position or 0) > head(self._store):
                return broken_promise(place, found, "is promised to be complete, and is not committed")
            if len(some) >= RANGE:
                if difference := next(self._single(some), None):
                    return difference
                some.clear()
        return next(self._single(some), None)


class TopicLayout:
    """Which event belongs where, and what a record says."""

    def __init__(
        self, consumer: KafkaConsumer, watched: Sequence[ExpectedTopic], partitions: int, patience: float
    ) -> None:
        self.watched = {each.topic: each for each in watched}
        self.there = partitions_of(consumer, list(self.watched), patience)
        self._counts = {
            topic: sum(place.topic == topic for place in self.there) or partitions for topic in self.watched
        }

    def places(self) -> list[TopicPartition]:
        """All partitions there should be."""
        return [TopicPartition(topic, n) for topic, count in self._counts.items() for n in range(count)]

    def home(self, watched: ExpectedTopic, row: EventRow) -> TopicPartition:
        """The partition of an event that belongs into the topic."""
        return TopicPartition(watched.topic, partition_of(key_of(row.stream_id), self._counts[watched.topic]))

    def find(self, record: TopicRecord) -> SeenRecord:
        """What matters of a record."""
        return self.watched[record.topic].find(record)

    def faults(self, place: TopicPartition, found: SeenRecord, rows: Mapping[int, EventRow]) -> Iterator[Difference]:
        """What is wrong with a record by itself, given the rows at all positions that it may have."""
        watched = self.watched[place.topic]
        row = None if found.position is None else rows.get(found.position)
        if row is None:
            yield phantom(place, found, "is not committed")
        elif not watched.holds(row):
            yield phantom(place, found, f"is {row.topic} and does not belong into this topic")
        elif found.digest != watched.digest(row):
            yield changed(place, found, row, "is not what is stored")
        elif (home := self.home(watched, row)) != place:
            yield misplaced(place, found, row, home.partition)


class PartitionCursor:
    """How far a partition was followed: its last new event (None: not known), and what its watermarks promise."""

    def __init__(self, last: int | None) -> None:
        self.last = last
        self.promised = 0

    def skip(self, position: int) -> None:
        """An event before those that are compared."""
        self.last = max(position, self.last or 0)

    def faults(self, place: TopicPartition, found: SeenRecord, row: EventRow) -> Iterator[Difference]:
        """What is wrong with a new event after those before it; then it is the last one."""
        last, self.last = self.last, row.position
        if row.position <= self.promised:
            yield broken_promise(place, found, f"comes after a watermark at {self.promised}")
        elif last is None or found.previous is None:
            return
        elif not last <= found.previous <= max(last, self.promised):
            yield changed(place, found, row, f"says that {found.previous} comes before it, and {last} does")


class _RangeComparison:
    """One range of positions: what should be in each partition, and what was found there."""

    def __init__(
        self,
        map: TopicLayout,
        followed: Mapping[TopicPartition, PartitionCursor],
        counts: Mapping[str, RecordCount],
        rows: Mapping[int, EventRow],
    ) -> None:
        self._map, self._followed, self._counts, self._rows = map, followed, counts, rows
        self._expected: dict[TopicPartition, dict[int, bytes]] = {place: {} for place in followed}
        self._found: dict[TopicPartition, dict[int, bytes]] = {place: {} for place in followed}
        for watched in map.watched.values():
            for row in rows.values():
                if watched.holds(row):
                    self._expected[map.home(watched, row)][row.position] = watched.digest(row)

    def take(self, place: TopicPartition, found: SeenRecord) -> Iterator[Difference]:
        """Compare the next record of a partition with what should be there."""
        followed, count, position = self._followed[place], self._counts[place.topic], found.position
        if found.is_watermark:
            count.watermarks += 1
            followed.promised = max(followed.promised, position or 0)
        elif position is None or self._expected[place].get(position) != found.digest:
            yield from self._map.faults(place, found, self._rows)
        elif position in self._found[place]:
            count.repeats += 1
        elif followed.last is not None and position < followed.last:
            yield late(place, found, self._rows[position], followed.last)
        else:
            count.events += 1
            self._found[place][position] = found.digest
            yield from followed.faults(place, found, self._rows[position])

    def lacks(self) -> tuple[TopicPartition, EventRow] | None:
        """The first event that was not found, and where it should be."""
        lacking = [each for each in self._not_found() if not self._map.watched[each[1].topic].excuses(each[2])]
        first = min(lacking, key=lambda each: each[:2], default=None)
        return first and first[1:]

    def settle(self) -> None:
        """Count the events that are missing for good reason."""
        for _, place, row in self._not_found():
            self._counts[place.topic].skipped += self._map.watched[place.topic].excuses(row)

    def digests(self) -> tuple[str, str]:
        """Of what should be in the partitions, and of what was found, in the order in which it was found."""
        return _digest(self._expected), _digest(self._found)

    def _not_found(self) -> Iterator[tuple[int, TopicPartition, EventRow]]:
        for place, expected in self._expected.items():
            for position in expected.keys() - self._found[place].keys():
                yield position, place, self._rows[position]


def head(store: Connection) -> int:
    """The last position; 0 in an empty log."""
    row = store.execute(HEAD).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def _digest(digests: Mapping[TopicPartition, Mapping[int, bytes]]) -> str:
    whole = blake2b(digest_size=16)
    for place in sorted(digests):
        whole.update(f"{place.topic}/{place.partition}:".encode())
        whole.update(b"".join(digests[place].values()))
    return whole.hexdigest()


def _rows(store: Connection, query: str, parameters: Sequence[Any]) -> dict[int, EventRow]:
    with store.cursor(binary=True) as cursor:
        return {row[0]: EventRow(*row) for row in cursor.execute(query.encode(), parameters)}
