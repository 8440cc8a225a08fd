"""Bulk load of a table from a range of the log: rows are folded in memory and written by COPY.

Past a bound on memory they are flushed; rows that change again after that are fetched and updated.
"""

import asyncio
import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from application.ports import RecordedEvent
from domain.kernel import Root
from infra.postgres.projector_connection import Connection, connect, is_poison
from infra.progress import Progress
from infra.projector.checkpoints import PROJECTIONS
from infra.projector.table_writer import TableWriter
from projections.kernel import Key, Poison, Row

BATCH = 2_000
MAX_BYTES = 128 * 1024 * 1024
ROW_BYTES = 1_000
"""Memory that a row takes, without its long values."""


class EventSource(Protocol):
    """The events to load: the whole log, or a shard of its streams."""

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after the position `after`, in order."""


@contextmanager
def gc_disabled() -> Iterator[None]:
    """Disables the cyclic GC while rows accumulate (it costs 7 % of a rebuild).

    The caller runs `gc.collect()` after releasing them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class TableReplaced(Exception):
    """The table under load was dropped: another rebuild has started over."""


class BulkLoader:
    """Fills a table that starts out empty, and moves the checkpoint of the same name.

    `shared`: the table's oid, if other processes load other streams into it at the same time. Then the table has its
    key already, and the caller moves the checkpoint after all of them have finished.
    """

    def __init__(
        self,
        writer: TableWriter,
        source: EventSource,
        connection: Connection,
        skipped: frozenset[int] = frozenset(),
        shared: int | None = None,
        max_bytes: int | None = None,
    ) -> None:
        self._writer = writer
        self._source = source
        self._connection = connection
        self._skipped = skipped
        self._shared = shared
        self._max_bytes = max_bytes or MAX_BYTES
        types = {name: words.split()[0] for name, words in writer.model.table.columns.items()}
        self._texts = [name for name, kind in types.items() if kind in ("text", "bytea")]
        self._nested = [name for name, kind in types.items() if kind == "jsonb" or kind.endswith("[]")]
        self._quarantined: dict[UUID, Poison] = {}
        self._empty = True
        """No row of these streams is stored, and the table has no key yet unless it is shared."""
        self._reset()

    async def run(self, position: int, goal: int, progress: Progress = lambda *_: None) -> int:
        """Load the events after `position` up to `goal`. Returns the position reached.

        Raises:
            TableReplaced: another rebuild has started over.
        """
        written = position
        reading = self._read(position, goal)
        with gc_disabled():
            try:
                while events := await reading:
                    position = events[-1].position
                    # While one batch is folded, the next one is read.
                    reading = self._read(position, goal)
                    await asyncio.sleep(0)
                    await self._fold_batch(events)
                    if self._is_full():
                        written = await self._flush(written, position)
                    progress(position, goal)
            finally:
                reading.cancel()
            return await self._flush(written, position)

    def take_over(self, quarantined: Iterable[UUID]) -> None:
        """Continue with a table that load workers have filled; `quarantined` are its streams in quarantine."""
        self._empty = False
        self._quarantined = {stream_id: Poison(stream_id, 0, "") for stream_id in quarantined}
        self._reset()

    def _read(self, after: int, goal: int) -> "asyncio.Task[Sequence[RecordedEvent]]":
        return asyncio.ensure_future(self._source.read(after, min(BATCH, max(goal - after, 0))))

    def _reset(self) -> None:
        self._fold = self._writer.fold(self._quarantined)
        self._stored: set[Key] = set()
        self._new_streams: set[int] = set()
        """Streams that began after the last flush: a row belongs to one stream, so none of their rows is stored."""
        self._bytes = 0

    async def _fold_batch(self, events: Sequence[RecordedEvent]) -> None:
        fold = self._fold
        staged = fold.stage(self._without_skipped(events))
        if not self._empty:
            new = self._new_streams
            new.update([event.stream_id.int for event, _ in staged if event.version == Root.INITIAL_VERSION])
            unknown = fold.unknown([each for each in staged if each[0].stream_id.int not in new], whole=True)
            if unknown:
                found = await self._writer.fetch(self._connection, unknown)
                fold.learn(found)
                self._stored.update(found)
        fold.fold(staged)
        self._bytes += self._size([change.values for _, changes in staged for change in changes if change.values])

    def _without_skipped(self, events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        if not self._skipped:
            return events
        return [event for event in events if event.position not in self._skipped]

    def _size(self, rows: Sequence[Row]) -> int:
        """Memory of the rows, estimated, in bytes. A row may have some of its columns only."""
        texts = sum([len(row[name]) for name in self._texts for row in rows if row.get(name)])
        nested = sum([len(str(row[name])) for name in self._nested for row in rows if row.get(name)])
        return ROW_BYTES * len(rows) + texts + nested

    def _is_full(self) -> bool:
        """Whether to flush. Each change was counted as if it made a new row, so count the rows before deciding."""
        if self._bytes > self._max_bytes:
            self._bytes = self._size([row for row in self._fold.rows.values() if row])
        return self._bytes > self._max_bytes * 3 // 4

    async def _flush(self, written: int, position: int) -> int:
        """Write the rows folded from the events after `written` up to `position`; returns `position`."""
        try:
            async with self._connection.transaction():
                await self._write()
                await self._create_key()
                await self._save_checkpoint(list(self._fold.poisons.values()), position)
        except TableReplaced:
            raise
        except Exception as error:
            if not is_poison(error):
                raise
            await self._create_key()
            await self._reapply(written, position)
        self._empty = False
        self._reset()
        gc.collect()
        return position

    async def _create_key(self) -> None:
        """Give the table its key, which is needed once there are rows."""
        if self._empty and self._shared is None:
            await self._connection.execute(self._writer.statements.create_key())

    async def _save_checkpoint(self, poisons: Sequence[Poison], position: int) -> None:
        name = self._writer.name
        new = [poison for poison in poisons if poison.stream_id not in self._quarantined]
        if new:
            await PROJECTIONS.quarantine(self._connection, name, new)
            self._quarantined.update({poison.stream_id: poison for poison in new})
        if self._shared is None:
            await PROJECTIONS.advance(self._connection, [name], position)
        elif await table_oid(self._connection, self._writer) != self._shared:
            raise TableReplaced(f"{name} was replaced by another table")

    async def _reapply(self, written: int, position: int) -> None:
        """The database refuses a row: apply the same events again, carefully, to find the event that is the cause."""
        self._quarantined = {
            stream_id: poison for stream_id, poison in self._quarantined.items() if poison.position <= written
        }
        while written < position and (events := await self._read(written, position)):
            written = events[-1].position
            async with self._connection.transaction():
                wanted = self._without_skipped(events)
                poisons = await self._writer.apply_carefully(self._connection, wanted, self._quarantined)
                await self._save_checkpoint(poisons, written)

    async def _write(self) -> None:
        stored = self._stored
        changed = self._fold.changed()
        new = [(key, row) for key, row in changed if row is not None and key not in stored]
        known = [(key, row) for key, row in changed if row is not None and key in stored] if stored else []
        removed = [key for key, row in changed if row is None and key in stored] if stored else []
        if self._writer.statements.adds and (self._shared is not None or not self._empty):
            # Rows of the same keys may be stored, by this load or by another process.
            await self._writer.store(self._connection, new, [])
        else:
            await self._writer.copy(self._connection, new)
        await self._writer.store(self._connection, known, removed)


async def connect_to_load(url: str) -> Connection:
    """A connection without statement timeout, whose commits do not wait for the disk.

    After a crash the load starts over, so durable commits are not needed.

    Raises:
        Unavailable: the database does not answer.
    """
    return await connect(url, statement_timeout="0", synchronous_commit="off")


async def table_oid(connection: Connection, writer: TableWriter) -> int | None:
    """The oid of the writer's table; None: it does not exist."""
    cursor = await connection.execute(writer.statements.oid())
    row = await cursor.fetchone()
    return None if row is None else row[0]
