"""Creates the missing tables of read models, as the projector. Several processes may do this at the same time."""

from collections.abc import Iterable, Sequence

from application.ports import Unavailable
from infra.postgres.database import Database
from infra.postgres.locks import READ_MODEL_TABLES
from infra.postgres.projector_connection import Connection
from infra.projector.checkpoints import PROJECTIONS
from infra.projector.statements import Statements, drop_table
from projections.kernel import ReadModel

COUNT = """
SELECT count(*) FROM projections JOIN unnest(%s::text[], %s::int[]) AS wanted (name, least) USING (name)
WHERE version >= least
"""
CREATE_CHECKPOINT = "INSERT INTO projections (name, version) VALUES (%s, %s)"
DELETE_CHECKPOINT = "DELETE FROM projections WHERE name = %s"
DELETE_PARTITIONS = "DELETE FROM projection_partitions WHERE name = %s"
DELETE_QUARANTINE = "DELETE FROM projection_quarantine WHERE projection = %s"


async def require_tables(database: Database, models: Sequence[ReadModel]) -> None:
    """Check that the tables of all `models` exist, in their version or a later one.

    Raises:
        Unavailable: the database does not answer, or no projector has created or rebuilt a table yet.
    """
    wanted = [[model.name for model in models], [model.version for model in models]]
    if await database.rows(COUNT, wanted) != [(len(models),)]:
        raise Unavailable("A read model")


async def ensure_tables(connection: Connection, models: Iterable[ReadModel]) -> None:
    """Create missing tables, empty, with a checkpoint at position 0. Existing ones stay, whatever their version."""
    wanted = {model.name: model for model in models}
    if wanted.keys() <= (await PROJECTIONS.read(connection, wanted)).keys():
        return
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", [READ_MODEL_TABLES.key])
        existing = await PROJECTIONS.read(connection, wanted)
        for name in wanted.keys() - existing.keys():
            statements = Statements(wanted[name].table)
            await create(connection, statements, wanted[name])
            for statement in [statements.create_key(), *statements.create_indexes()]:
                await connection.execute(statement)


async def create(connection: Connection, statements: Statements, model: ReadModel) -> None:
    """Create an empty table without key and indexes, and its checkpoint at position 0."""
    await connection.execute(CREATE_CHECKPOINT, [statements.name, model.version])
    for statement in [statements.create(), *statements.bound_statistics(model.personal)]:
        await connection.execute(statement)


async def drop(connection: Connection, name: str) -> None:
    """Drop the table of this name, if it exists, with its checkpoint and quarantine."""
    await connection.execute(drop_table(name))
    for statement in (DELETE_CHECKPOINT, DELETE_PARTITIONS, DELETE_QUARANTINE):
        await connection.execute(statement, [name])
