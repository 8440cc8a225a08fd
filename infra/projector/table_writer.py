"""Applies a batch of events to one read model's table, inside the caller's transaction."""

from collections.abc import Collection, Sequence
from uuid import UUID

from application.ports import RecordedEvent
from infra.postgres.projector_connection import Connection, is_poison
from infra.projector.statements import Statements
from projections.kernel import Fold, Key, Poison, ReadModel, Row

PORTION = 2_000
"""Rows written by one statement."""


class TableWriter:
    """A read model on its table, or on the one called `name` that shall take its place."""

    def __init__(self, model: ReadModel, name: str | None = None) -> None:
        self.model = model
        self.statements = Statements(model.table, name)
        self.name = self.statements.name
        self._width = len(model.table.key)
        self._columns = self.statements.columns

    async def apply(
        self, connection: Connection, events: Sequence[RecordedEvent], leave_out: Collection[UUID] = ()
    ) -> list[Poison]:
        """Apply `events`, in order. Answers what cannot be applied; of those streams, nothing later is.

        Raises:
            Exception: as a write raised it; `is_poison` tells whether an event is to blame.
        """
        fold = Fold(self.model)
        staged = fold.stage(events, leave_out)
        if staged:
            unknown = fold.unknown(staged)
            if unknown:
                fold.learn(await self.fetch(connection, unknown))
            fold.fold(staged)
            await self.write(connection, fold)
        return list(fold.poisons.values())

    async def apply_carefully(
        self, connection: Connection, events: Sequence[RecordedEvent], leave_out: Collection[UUID] = ()
    ) -> list[Poison]:
        """As `apply`, but an event that the database refuses is found by halving, and poisons its stream alone."""
        try:
            async with connection.transaction():
                return await self.apply(connection, events, leave_out)
        except Exception as error:
            if not is_poison(error):
                raise
            if len(events) == 1:
                return [Poison(events[0].stream_id, events[0].position, type(error).__name__)]
        half = len(events) // 2
        poisons = await self.apply_carefully(connection, events[:half], leave_out)
        left_out = {*leave_out, *(poison.stream_id for poison in poisons)}
        return poisons + await self.apply_carefully(connection, events[half:], left_out)

    async def fetch(self, connection: Connection, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows of those keys that have one."""
        cursor = connection.cursor(binary=True)
        await cursor.execute(self.statements.fetch, self.statements.keys(keys))
        width, columns = self._width, self._columns
        return {row[:width]: dict(zip(columns, row[width:], strict=True)) for row in await cursor.fetchall()}

    async def write(self, connection: Connection, fold: Fold) -> None:
        """Store what the fold has changed."""
        changed = fold.changed()
        kept = [(key, row) for key, row in changed if row is not None]
        await self.store(connection, kept, [key for key, row in changed if row is None])

    async def store(self, connection: Connection, rows: list[tuple[Key, Row]], gone: list[Key]) -> None:
        """Write `rows`, whether or not they are there; remove those of the keys `gone`."""
        if gone:
            await connection.execute(self.statements.delete, self.statements.keys(gone))
        for start in range(0, len(rows), PORTION):
            await connection.execute(self.statements.upsert, self.statements.rows(rows[start : start + PORTION]))
