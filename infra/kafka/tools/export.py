"""Exports public events as Parquet files, which DuckDB, pandas and similar tools read as one table.

A folder per topic holds a folder per day (UTC) with numbered files. `_progress.json` records what was exported. It is
replaced after all files of a batch are written. So a stopped export continues where it was, and each event is in
exactly one file.
"""

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as arrow
from kafka import KafkaConsumer, TopicPartition
from pyarrow import parquet

from infra.errors import SetupError
from infra.kafka.client.ordered_reader import TopicRecord, beginning_offsets, end_offsets, partitions_of, read_until
from infra.kafka.tools.export_schema import ColumnKind, columns_of, row_of
from infra.progress import Progress

BATCH_EVENTS = 20_000
BATCH_BYTES = 32 * 1024 * 1024
"""Events that are written together, and their bytes: a batch ends with what reaches one of them."""
PROGRESS_FILE = "_progress.json"
LOCK_FILE = "_lock"
UNFINISHED = ".unfinished"


class ExportError(SetupError):
    """The export cannot start or continue."""


@dataclass(slots=True)
class ExportState:
    """Exported so far: the number of batches, and by partition the next offset and the last position."""

    topic: str
    batches: int = 0
    offsets: dict[int, int] = field(default_factory=dict)
    positions: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class ExportResult:
    """The result of an export. `lost`: records that the topic no longer had; `skipped`: records that are no events."""

    events: int = 0
    files: int = 0
    repeats: int = 0
    lost: int = 0
    skipped: int = 0


def export(
    consumer: KafkaConsumer, topic: str, aggregate: str, folder: Path, progress: Progress = lambda done, goal: None
) -> ExportResult:
    """Write the events that the folder lacks, up to the topic's current end.

    Raises:
        ExportError: the topic does not exist, or the folder holds another export.
        Unavailable, kafka.errors.KafkaError: the broker does not answer.
        OSError: the files cannot be written.
    """
    partitions = partitions_of(consumer, [topic])
    if not partitions:
        raise ExportError(f"There is no topic {topic}. `palimpsest stream topics` lists the existing ones.")
    columns = columns_of(aggregate)
    schema = _schema(columns)
    with _lock(folder):
        state = _load(folder, topic)
        _clean(folder, state.batches)
        return _Export(consumer, partitions, folder, columns, schema, state).run(progress)


class _Export:
    def __init__(
        self,
        consumer: KafkaConsumer,
        partitions: Sequence[TopicPartition],
        folder: Path,
        columns: Mapping[str, ColumnKind],
        schema: arrow.Schema,
        state: ExportState,
    ) -> None:
        self._consumer, self._partitions, self._folder = consumer, partitions, folder
        self._columns, self._schema, self._state = columns, schema, state
        self._result = ExportResult()

    def run(self, progress: Progress) -> ExportResult:
        ends = self._seek()
        goal, done = sum(end - self._consumer.position(each) for each, end in ends.items()), 0
        progress(0, goal)
        for records in self._batches(ends):
            self._write([row for record in records for row in self._new(record)])
            done += len(records)
            progress(min(done, goal), goal)
        progress(goal, goal)
        return self._result

    def _seek(self) -> dict[TopicPartition, int]:
        """Seek to where the last export ended. Returns the end offsets.

        A topic that was created again is read from its beginning; exported events are recognised by their positions.
        """
        begins = beginning_offsets(self._consumer, self._partitions)
        ends = end_offsets(self._consumer, self._partitions)
        self._consumer.assign(self._partitions)
        for partition in self._partitions:
            offset = self._state.offsets.get(partition.partition)
            if offset is None or offset > ends[partition]:
                offset = begins[partition]
            self._result.lost += max(0, begins[partition] - offset)
            self._consumer.seek(partition, max(begins[partition], offset))
        return ends

    def _batches(self, ends: Mapping[TopicPartition, int]) -> Iterator[list[TopicRecord]]:
        batch: list[TopicRecord] = []
        size = 0
        for polled in read_until(self._consumer, ends):
            new = [record for records in polled.values() for record in records]
            batch += new
            size += sum([len(record.value or b"") for record in new])
            if len(batch) >= BATCH_EVENTS or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _new(self, record: TopicRecord) -> Iterator[dict[str, Any]]:
        """The record's values, if it is an event that was not exported before."""
        try:
            row = row_of(record, self._columns)
        except ValueError:
            self._result.skipped += 1
            return
        position, last = row["ce_sequence"], self._state.positions.get(record.partition, 0)
        if position <= last:
            self._result.repeats += 1
            return
        self._state.positions[record.partition] = position
        yield row

    def _write(self, rows: list[dict[str, Any]]) -> None:
        """Write all files of a batch, then record it as exported."""
        days: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row["ce_sequence"]):
            days[f"{row['ce_time']:%Y-%m-%d}"].append(row)
        state = self._state
        for day, its_rows in days.items():
            target = self._folder / f"day={day}" / f"part-{state.batches + 1:06}.parquet"
            _write_table(its_rows, self._schema, target)
        self._result.events += len(rows)
        self._result.files += len(days)
        state.batches += 1
        state.offsets = {each.partition: self._consumer.position(each) for each in self._partitions}
        _replace(self._folder / PROGRESS_FILE, json.dumps(asdict(state)).encode())


def _schema(columns: Mapping[str, ColumnKind]) -> arrow.Schema:
    types = {
        "text": arrow.string(),
        "timestamp": arrow.timestamp("us", "UTC"),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "boolean": arrow.bool_(),
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
    """A temporary file that replaces the target once it is written and synced to disk."""
    unfinished = target.with_suffix(UNFINISHED)
    with unfinished.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(target)
    _sync(target.parent)


def _sync(folder: Path) -> None:
    """Sync the file names of a folder to disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Lock the folder against other exports."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_FILE).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExportError(f"Another export writes into {folder}; wait for it to end.") from None
        yield


def _load(folder: Path, topic: str) -> ExportState:
    try:
        known = json.loads((folder / PROGRESS_FILE).read_text())
    except FileNotFoundError:
        if any(folder.glob("day=*")):
            raise ExportError(f"{folder} holds other files; export into an empty folder.") from None
        return ExportState(topic)
    if known["topic"] != topic:
        raise ExportError(f"{folder} holds the topic {known['topic']}; export {topic} into another folder.")
    offsets, positions = ({int(n): value for n, value in known[name].items()} for name in ("offsets", "positions"))
    return ExportState(topic, known["batches"], offsets, positions)


def _clean(folder: Path, batches: int) -> None:
    """Remove the files of an unfinished batch, which a stopped export has left."""
    for file in folder.glob("day=*/part-*"):
        if file.suffix == UNFINISHED or int(file.stem.removeprefix("part-")) > batches:
            file.unlink()
