"""Public events as Parquet files, which DuckDB, pandas and their kind read as one table.

A folder per topic holds a folder per day (UTC), and these hold numbered files. What was exported is known from
`_progress.json`, which is replaced once a batch's files are all there: an export that was stopped anywhere goes on
where it was, and each event is in one file once.
"""

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as arrow
from kafka import KafkaConsumer, TopicPartition
from pyarrow import parquet

from infra.errors import SetupError
from infra.kafka.client.ordered_reader import TopicRecord, begins_of, ends_of, partitions_of, until
from infra.kafka.tools.export_schema import Kind, columns_of, row_of

BATCH = 20_000
"""Events that are written at once."""
PROGRESS = "_progress.json"
LOCK = "_lock"
UNFINISHED = ".unfinished"

Progress = Callable[[int, int], None]
"""Told how many records are done, of how many."""


class ExportError(SetupError):
    """The export cannot begin, or cannot go on."""


@dataclass(slots=True)
class ExportState:
    """What is exported: whole batches, and of each partition the next offset and the last position."""

    topic: str
    batches: int = 0
    offsets: dict[int, int] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class ExportResult:
    """What an export has written. `lost`: records that the topic no longer had; `skipped`: those that are no events."""

    events: int = 0
    files: int = 0
    repeats: int = 0
    lost: int = 0
    skipped: int = 0


def export(
    consumer: KafkaConsumer, topic: str, aggregate: str, folder: Path, progress: Progress = lambda done, goal: None
) -> ExportResult:
    """Write what the topic holds and the folder does not, up to the topic's end as it is now.

    Raises:
        ExportError: there is no such topic, or the folder is another's.
        Unavailable, kafka.errors.KafkaError: the broker does not answer.
        OSError: the files cannot be written.
    """
    places = partitions_of(consumer, [topic])
    if not places:
        raise ExportError(f"There is no topic {topic}. `palimpsest stream topics` lists those there are.")
    columns = columns_of(aggregate)
    schema = _schema(columns)
    with _own(folder):
        state = _load(folder, topic)
        _clean(folder, state.batches)
        return _Export(consumer, places, folder, columns, schema, state).run(progress)


class _Export:
    def __init__(
        self,
        consumer: KafkaConsumer,
        places: Sequence[TopicPartition],
        folder: Path,
        columns: Mapping[str, Kind],
        schema: arrow.Schema,
        state: ExportState,
    ) -> None:
        self._consumer, self._places, self._folder = consumer, places, folder
        self._columns, self._schema, self._state = columns, schema, state
        self._done = ExportResult()

    def run(self, progress: Progress) -> ExportResult:
        ends = self._begin()
        goal, done = sum(end - self._consumer.position(place) for place, end in ends.items()), 0
        progress(0, goal)
        for records in self._batches(ends):
            self._write([row for record in records for row in self._new(record)])
            done += len(records)
            progress(min(done, goal), goal)
        progress(goal, goal)
        return self._done

    def _begin(self) -> dict[TopicPartition, int]:
        """Go to where the last export ended. A topic that was made anew is read anew: positions tell what is new."""
        begins, ends = begins_of(self._consumer, self._places), ends_of(self._consumer, self._places)
        self._consumer.assign(self._places)
        for place in self._places:
            offset = self._state.offsets.get(place.partition)
            if offset is None or offset > ends[place]:
                offset = begins[place]
            self._done.lost += max(0, begins[place] - offset)
            self._consumer.seek(place, max(begins[place], offset))
        return ends

    def _batches(self, ends: Mapping[TopicPartition, int]) -> Iterator[list[TopicRecord]]:
        batch: list[TopicRecord] = []
        for polled in until(self._consumer, ends):
            batch.extend(record for records in polled.values() for record in records)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def _new(self, record: TopicRecord) -> Iterator[dict[str, Any]]:
        """The record's values, if it is an event that has not come before."""
        try:
            row = row_of(record, self._columns)
        except ValueError:
            self._done.skipped += 1
            return
        position, last = row["ce_sequence"], self._state.positions.get(record.partition, 0)
        if position <= last:
            self._done.repeats += 1
            return
        self._state.positions[record.partition] = position
        yield row

    def _write(self, rows: list[dict[str, Any]]) -> None:
        """All files of a batch, then the word that they are there."""
        days: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row["ce_sequence"]):
            days[f"{row['ce_time']:%Y-%m-%d}"].append(row)
        state = self._state
        for day, its in days.items():
            target = self._folder / f"day={day}" / f"part-{state.batches + 1:06}.parquet"
            _write_table(its, self._schema, target)
        self._done.events += len(rows)
        self._done.files += len(days)
        state.batches += 1
        state.offsets = {place.partition: self._consumer.position(place) for place in self._places}
        _replace(self._folder / PROGRESS, json.dumps(asdict(state)).encode())


def _schema(columns: Mapping[str, Kind]) -> arrow.Schema:
    types = {
        "text": arrow.string(),
        "moment": arrow.timestamp("us", "UTC"),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "truth": arrow.bool_(),
        "json": arrow.string(),
    }
    return arrow.schema([(name, types[kind]) for name, kind in columns.items()])


def _write_table(rows: list[dict[str, Any]], schema: arrow.Schema, target: Path) -> None:
    if not target.parent.exists():
        target.parent.mkdir()
        _sync(target.parent.parent)
    table = arrow.Table.from_pylist(rows, schema=schema)
    with _replacing(target) as file:
        parquet.write_table(table, file, compression="zstd")


def _replace(target: Path, content: bytes) -> None:
    with _replacing(target) as file:
        file.write(content)


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """A file that stands in the target's place, on the disk, once it is written."""
    unfinished = target.with_suffix(UNFINISHED)
    with unfinished.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(target)
    _sync(target.parent)


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _own(folder: Path) -> Iterator[None]:
    """Keep other exports out of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"Another export writes into {folder}; wait for it to end.") from None
        yield


def _load(folder: Path, topic: str) -> ExportState:
    try:
        known = json.loads((folder / PROGRESS).read_text())
    except FileNotFoundError:
        if any(folder.glob("day=*")):
            raise ExportError(f"{folder} holds files of something else; export into a folder of its own.") from None
        return ExportState(topic)
    if known["topic"] != topic:
        raise ExportError(f"{folder} holds the topic {known['topic']}; export {topic} into a folder of its own.")
    offsets, positions = ({int(n): value for n, value in known[name].items()} for name in ("offsets", "positions"))
    return ExportState(topic, known["batches"], offsets, positions)


def _clean(folder: Path, batches: int) -> None:
    """Remove what an export that was stopped has left: files of a batch that is not whole."""
    for file in folder.glob("day=*/part-*"):
        if file.suffix == UNFINISHED or int(file.stem.removeprefix("part-")) > batches:
            file.unlink()
