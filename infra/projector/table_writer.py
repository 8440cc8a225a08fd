"""Applies batches of events to one read model's table, inside the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from uuid import UUID

from application.ports import RecordedEvent
from infra.postgres.projector_connection import Connection
from infra.projector.consumers import bisect
from infra.projector.statements import COPY_HEAD, COPY_TAIL, SCHEMA, Statements
from infra.store.partitioner import key_of, partition_of
from projections.kernel import Fold, Key, Poison, ReadModel, Row, TotalsFold

MAX_ROWS = 2_000
"""Rows in one statement."""
COPY_ROWS = 500
"""Rows that are encoded at a time for COPY."""

SLOTS = 16
"""Rows of `Totals` for each key, at most.

Two projectors with different partitions never write the same row if the number of partitions divides this number;
otherwise they may wait for each other now and then. Rows are stored by slot: changing the number takes a rebuild.
"""


def slot_of(stream_id: UUID) -> int:
    """The slot of a stream in `Totals`. It depends on nothing else, so rebuilt rows equal live ones."""
    return partition_of(key_of(stream_id), SLOTS)


class TableWriter:
    """Writer of a read model's table, or of its successor called `name`. `schema`: where the table is."""

    def __init__(self, model: ReadModel, name: str | None = None, schema: str = SCHEMA) -> None:
        self.model = model
        self.statements = Statements(model.table, name, schema)
        self.name = self.statements.name
        self.version = model.version
        self._width = len(model.table.key)
        self._columns = self.statements.columns

    def fold(self, poisons: Mapping[UUID, Poison] | None = None) -> Fold:
        """A fold for this table, which leaves out streams that have failed before."""
        known = dict(poisons or {})
        return TotalsFold(self.model, known, slot_of=slot_of) if self.statements.adds else Fold(self.model, known)

    async def apply(
        self, connection: Connection, events: Sequence[RecordedEvent], quarantined: Collection[UUID] = ()
    ) -> list[Poison]:
        """See `LogConsumer.apply`."""
        fold = self.fold()
        staged = fold.stage(events, quarantined)
        if staged:
            unknown = fold.unknown(staged)
            if unknown:
                fold.learn(await self.fetch(connection, unknown))
            fold.fold(staged)
            await self.write(connection, fold)
        return list(fold.poisons.values())

    async def apply_carefully(
        self, connection: Connection, events: Sequence[RecordedEvent], quarantined: Collection[UUID] = ()
    ) -> list[Poison]:
        """See `LogConsumer.apply_carefully`."""
        return await bisect(self.apply, connection, events, quarantined)

    async def fetch(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, Row]:
        """The stored rows by key; no entry for a key without a row."""
        cursor = connection.cursor(binary=True)
        await cursor.execute(self.statements.fetch, self.statements.keys(keys))
        width, columns = self._width, self._columns
        return {row[:width]: dict(zip(columns, row[width:], strict=True)) for row in await cursor.fetchall()}

    async def write(self, connection: Connection, fold: Fold) -> None:
        """Store the rows that the fold has changed."""
        changed = fold.changed()
        kept = [(key, row) for key, row in changed if row is not None]
        await self.store(connection, kept, [key for key, row in changed if row is None])

    async def store(self, connection: Connection, rows: list[tuple[Key, Row]], removed: list[Key]) -> None:
        """Insert or update `rows`, or add them to stored sums; delete the rows of the keys `removed`."""
        if removed:
            await connection.execute(self.statements.delete, self.statements.keys(removed))
        if self.statements.adds:
            # Several projectors may add to the same rows: in one order, or they would wait for each other for ever.
            rows = sorted(rows, key=itemgetter(0))
        for start in range(0, len(rows), MAX_ROWS):
            await connection.execute(self.statements.upsert, self.statements.rows(rows[start : start + MAX_ROWS]))

    async def copy(self, connection: Connection, rows: list[tuple[Key, Row]]) -> None:
        """Insert rows of which none is stored, by COPY."""
        statements = self.statements
        async with connection.cursor().copy(statements.copy) as copy:
            await copy.write(COPY_HEAD)
            for start in range(0, len(rows), COPY_ROWS):
                await copy.write(statements.copied(rows[start : start + COPY_ROWS]))
            await copy.write(COPY_TAIL)
