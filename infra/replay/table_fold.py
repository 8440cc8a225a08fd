"""Folds a log into tables of their own, in the schema of a replay."""

from collections.abc import Sequence

from psycopg import sql

from application.ports import RecordedEvent
from infra.postgres.arrays import BigInts, Texts, Uuids
from infra.postgres.projector_connection import Connection, is_poison
from infra.progress import Progress
from infra.projector.rebuild.bulk_load import connect_to_load
from infra.projector.table_writer import TableWriter
from infra.replay.fold import fold_streams
from infra.replay.stream_order import DecodeRows, whole_streams
from projections.kernel import Key, Poison, ReadModel, Row

QUARANTINE = "INSERT INTO {}.quarantine SELECT %s, * FROM unnest(%b::uuid[], %b::bigint[], %b::text[])"


class TableTarget:
    """Implements `RowTarget`: writes the rows of a read model into an empty table."""

    def __init__(self, model: ReadModel, connection: Connection, schema: str) -> None:
        self.writer = TableWriter(model, schema=schema)
        self._connection = connection
        self._quarantine = sql.SQL(QUARANTINE).format(sql.Identifier(schema)).as_bytes()
        self._has_key = False

    async def create(self) -> None:
        """Create the table."""
        statements = self.writer.statements
        for statement in [statements.create(), *statements.bound_statistics(self.writer.model.personal)]:
            await self._connection.execute(statement)

    async def add(self, rows: list[tuple[Key, Row]], events: Sequence[RecordedEvent], poisons: list[Poison]) -> None:
        """See `RowTarget.add`. Where the database refuses a row, the streams are applied as a projector does it."""
        try:
            async with self._connection.transaction():
                await self.writer.copy(self._connection, rows)
        except Exception as error:
            if not is_poison(error):
                raise
            await self._create_key()
            poisons = await self.writer.apply_carefully(self._connection, events)
        if poisons:
            values = [Uuids(each.stream_id for each in poisons), BigInts(each.position for each in poisons)]
            await self._connection.execute(
                self._quarantine, [self.writer.name, *values, Texts(each.error for each in poisons)]
            )

    async def add_sums(self, rows: list[tuple[Key, Row]]) -> None:
        """See `RowTarget.add_sums`."""
        await self.writer.copy(self._connection, rows)

    async def finish(self) -> None:
        """Create the key and the indexes."""
        await self._create_key()
        for statement in [*self.writer.statements.create_indexes(), self.writer.statements.analyze]:
            await self._connection.execute(statement)

    async def _create_key(self) -> None:
        if not self._has_key:
            await self._connection.execute(self.writer.statements.create_key())
            self._has_key = True


async def fold_into_tables(
    url: str, schema: str, models: Sequence[ReadModel], position: int, decode: DecodeRows, progress: Progress
) -> None:
    """Fill an empty schema with the tables of all models, as they are at a position.

    Raises:
        Unavailable: the database does not answer.
    """
    async with await connect_to_load(url) as reading, await connect_to_load(url) as writing:
        targets = [TableTarget(model, writing, schema) for model in models]
        for target in targets:
            await target.create()
        await fold_streams(whole_streams(reading, position, decode), targets, position, progress)
        for target in targets:
            await target.finish()
