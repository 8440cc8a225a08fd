"""Fills a table from a stretch of the log: rows gather in memory and go out by COPY.

Past a bound on memory they are flushed; rows met again after that are looked up and updated.
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
from infra.projector import checkpoints
from infra.projector.statements import COPY_HEAD, COPY_TAIL
from infra.projector.table_writer import TableWriter
from projections.kernel import Fold, Key, Poison, Row

BATCH = 2_000
COPY_ROWS = 500
MOST_BYTES = 128 * 1024 * 1024
ROW_BYTES = 1_000
"""What a row costs in memory, besides its long values."""


class EventSource(Protocol):
    """What is loaded: the log, or a share of its streams."""

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after the position `after`, in order."""


@contextmanager
def collecting_later() -> Iterator[None]:
    """Rows that gather are no garbage: looking through them again and again takes a fifteenth of a rebuild's time.
    Whoever lets go of them collects."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class TableReplaced(Exception):
    """The table that was being loaded is not there any more: somebody else has begun anew."""


class BulkLoader:
    """Writes a table that starts out empty, with the projection's row of the same name.

    `shared`: the table's oid, if others load other streams into it at the same time. Then it has its key already, and
    its position is theirs to move who wait for all.
    """

    def __init__(
        self,
        applier: TableWriter,
        source: EventSource,
        connection: Connection,
        skipped: frozenset[int] = frozenset(),
        shared: int | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._applier = applier
        self._source = source
        self._connection = connection
        self._skipped = skipped
        self._shared = shared
        self._most_bytes = most_bytes
        columns = applier.model.table.columns.items()
        self._texts = [name for name, words in columns if words.startswith(("text", "bytea"))]
        self._confined: dict[UUID, Poison] = {}
        self._empty = True
        """Nothing of these streams is stored, and there is no key yet unless the table is shared."""
        self._reset()

    async def run(self, position: int, goal: int, progress: Progress = lambda *_: None) -> int:
        """Load the events after `position` up to `goal`. Answers the position reached.

        Raises:
            Gone: somebody else has begun anew.
        """
        written = position
        coming = self._read(position, goal)
        with collecting_later():
            try:
                while events := await coming:
                    position = events[-1].position
                    # While one batch is folded, the next is on its way.
                    coming = self._read(position, goal)
                    await asyncio.sleep(0)
                    await self._take(events)
                    if self._outgrown():
                        written = await self._flush(written, position)
                    progress(position, goal)
            finally:
                coming.cancel()
            return await self._flush(written, position)

    def take_over(self, confined: Iterable[UUID]) -> None:
        """Go on with a table that others have filled, and given its key; `confined` are the streams it leaves out."""
        self._empty = False
        self._confined = {stream_id: Poison(stream_id, 0, "") for stream_id in confined}
        self._reset()

    def _read(self, after: int, goal: int) -> "asyncio.Task[Sequence[RecordedEvent]]":
        return asyncio.ensure_future(self._source.read(after, min(BATCH, max(goal - after, 0))))

    def _reset(self) -> None:
        self._fold = Fold(self._applier.model, poisons=dict(self._confined))
        self._stored: set[Key] = set()
        self._new_streams: set[int] = set()
        """Those that have begun since: a row belongs to one stream, so nothing of theirs is stored."""
        self._bytes = 0

    async def _take(self, events: Sequence[RecordedEvent]) -> None:
        fold = self._fold
        staged = fold.stage(self._wanted(events))
        if not self._empty:
            new = self._new_streams
            new.update([event.stream_id.int for event, _ in staged if event.version == Root.INITIAL_VERSION])
            unknown = fold.unknown([each for each in staged if each[0].stream_id.int not in new], whole=True)
            if unknown:
                found = await self._applier.fetch(self._connection, unknown)
                fold.learn(found)
                self._stored.update(found)
        fold.fold(staged)
        self._bytes += self._weight([change.values for _, changes in staged for change in changes if change.values])

    def _wanted(self, events: Sequence[RecordedEvent]) -> Sequence[RecordedEvent]:
        if not self._skipped:
            return events
        return [event for event in events if event.position not in self._skipped]

    def _weight(self, rows: Sequence[Row]) -> int:
        """Bytes in memory, of all of each row or some columns of it."""
        texts = sum([len(row[name]) for name in self._texts for row in rows if row.get(name)])
        return ROW_BYTES * len(rows) + texts

    def _outgrown(self) -> bool:
        """Whether it is time to flush. What changed was counted as if it were new: then count what there is."""
        if self._bytes > self._most_bytes:
            self._bytes = self._weight([row for row in self._fold.rows.values() if row])
        return self._bytes > self._most_bytes * 3 // 4

    async def _flush(self, written: int, position: int) -> int:
        """Write what has gathered from the events after `written` up to `position`; answers the latter."""
        try:
            async with self._connection.transaction():
                await self._write()
                await self._complete()
                await self._book(list(self._fold.poisons.values()), position)
        except TableReplaced:
            raise
        except Exception as error:
            if not is_poison(error):
                raise
            await self._complete()
            await self._again(written, position)
        self._empty = False
        self._reset()
        gc.collect()
        return position

    async def _complete(self) -> None:
        """Give the table its key, which is needed once there are rows."""
        if self._empty and self._shared is None:
            await self._connection.execute(self._applier.statements.create_key())

    async def _book(self, poisons: Sequence[Poison], position: int) -> None:
        name = self._applier.name
        new = [poison for poison in poisons if poison.stream_id not in self._confined]
        if new:
            await checkpoints.confine(self._connection, name, new)
            self._confined.update({poison.stream_id: poison for poison in new})
        if self._shared is None:
            await checkpoints.advance(self._connection, [name], position)
        elif await table_of(self._connection, self._applier) != self._shared:
            raise TableReplaced(f"{name} is another table by now")

    async def _again(self, written: int, position: int) -> None:
        """The database refuses a row: apply the same events once more, so as to find which one is to blame."""
        self._confined = {
            stream_id: poison for stream_id, poison in self._confined.items() if poison.position <= written
        }
        while written < position and (events := await self._read(written, position)):
            written = events[-1].position
            async with self._connection.transaction():
                wanted = self._wanted(events)
                poisons = await self._applier.apply_carefully(self._connection, wanted, self._confined)
                await self._book(poisons, written)

    async def _write(self) -> None:
        stored = self._stored
        changed = self._fold.changed()
        new = [(key, row) for key, row in changed if row is not None and key not in stored]
        known = [(key, row) for key, row in changed if row is not None and key in stored] if stored else []
        gone = [key for key, row in changed if row is None and key in stored] if stored else []
        await self._copy(new)
        await self._applier.store(self._connection, known, gone)

    async def _copy(self, rows: list[tuple[Key, Row]]) -> None:
        statements = self._applier.statements
        async with self._connection.cursor().copy(statements.copy) as copy:
            await copy.write(COPY_HEAD)
            for start in range(0, len(rows), COPY_ROWS):
                await copy.write(statements.copied(rows[start : start + COPY_ROWS]))
            await copy.write(COPY_TAIL)


async def connect_to_load(url: str) -> Connection:
    """A connection whose statements may take long, and whose commits wait for no disk: what a crash takes away is begun
    anew. Raises `Unavailable`."""
    return await connect(url, statement_timeout="0", synchronous_commit="off")


async def table_of(connection: Connection, applier: TableWriter) -> int | None:
    """The oid of the table that the applier writes; None: there is none."""
    cursor = await connection.execute(applier.statements.oid())
    row = await cursor.fetchone()
    return None if row is None else row[0]
