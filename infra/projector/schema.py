"""Makes the tables that read models need and that are not there yet. Safe to run by many at once, at any time."""

from collections.abc import Iterable

from infra.postgres.locks import READ_MODEL_TABLES
from infra.postgres.projector_connection import Connection
from infra.projector import checkpoints
from infra.projector.statements import Statements
from projections.kernel import ReadModel

BEGIN = "INSERT INTO projections (name, version) VALUES (%s, %s)"


async def ensure_tables(connection: Connection, models: Iterable[ReadModel]) -> None:
    """Make what is missing, empty, at position 0. What is there stays, whatever its version."""
    wanted = {model.name: model for model in models}
    if wanted.keys() <= (await checkpoints.look(connection, wanted)).keys():
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [READ_MODEL_TABLES.key])
        there = await checkpoints.look(connection, wanted)
        for name in wanted.keys() - there.keys():
            statements = Statements(wanted[name].table)
            await create(connection, statements, wanted[name].version)
            for statement in [statements.create_key(), *statements.create_indexes()]:
                await connection.execute(statement)


async def create(connection: Connection, statements: Statements, version: int) -> None:
    """An empty table at position 0, without key and indexes."""
    await connection.execute(BEGIN, [statements.name, version])
    await connection.execute(statements.create())
