"""Digests of the tables in the schema of a replay: those of a certificate, if they are as certified."""

from collections.abc import Sequence

import psycopg
from psycopg import sql

from infra.postgres.projector_connection import Connection, connect
from infra.projector.statements import Statements
from infra.replay.certificate import CertifiedTable
from infra.replay.row_digest import TableDigest
from projections.kernel import ReadModel

PAGE_ROWS = 2_000
LEFT_OUT = "SELECT count(*) FROM {}.quarantine WHERE read_model = %s"


class WrongTable(Exception):
    """A table is not as its read model declares it."""


async def table_digests(url: str, schema: str, models: Sequence[ReadModel]) -> tuple[CertifiedTable, ...]:
    """Return what a certificate would say of the tables in a schema, by name.

    Raises:
        Unstorable: a table was changed, and holds what its declaration does not allow.
        WrongTable: a table is missing, or has other columns.
        Unavailable: the database does not answer.
    """
    async with await connect(url, statement_timeout="0") as connection, connection.transaction():
        return tuple([await _digest(connection, schema, model) for model in sorted(models, key=lambda each: each.name)])


async def _digest(connection: Connection, schema: str, model: ReadModel) -> CertifiedTable:
    statements, found = Statements(model.table, schema=schema), TableDigest(model.table)
    width, columns = len(model.table.key), statements.columns
    async with connection.cursor("rows", binary=True) as cursor:
        try:
            await cursor.execute(statements.select)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise WrongTable(f"{model.name}: {error.diag.message_primary}") from None
        while rows := await cursor.fetchmany(PAGE_ROWS):
            found.add([(row[:width], dict(zip(columns, row[width:], strict=True))) for row in rows])
    left_out = sql.SQL(LEFT_OUT).format(sql.Identifier(schema))
    [(quarantined,)] = await (await connection.execute(left_out, [model.name])).fetchall()
    return CertifiedTable(model.name, model.version, found.rows, quarantined, found.digest())
