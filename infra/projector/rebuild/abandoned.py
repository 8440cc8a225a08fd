"""Removes the tables of rebuilds that ended early: no projector applies events to them, so they keep erased text."""

import asyncio

import structlog

from infra.asyncio_compat import goes_on
from infra.postgres.locks import REBUILD
from infra.postgres.projector_connection import Connection, connect
from infra.projector.schema import drop
from infra.projector.statements import NEXT

SWEEP_SECONDS = 30.0

LOCK = "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))"
UNFINISHED = "SELECT name FROM projections WHERE right(name, %s) = %s"

log = structlog.get_logger(__name__)


async def drop_repeatedly(url: str) -> None:
    """Drop what killed rebuilds have left, now and every `SWEEP_SECONDS`, until cancelled."""
    while goes_on():
        try:
            await drop_abandoned(url)
        except Exception as error:
            log.warning("tables of unfinished rebuilds not dropped", error=type(error).__name__)
        await asyncio.sleep(SWEEP_SECONDS)


async def drop_abandoned(url: str) -> None:
    """Drop the table of each rebuild that no process carries on, with its checkpoint and quarantine.

    Raises:
        Unavailable: the database does not answer.
    """
    async with await connect(url) as connection:
        for (name,) in await (await connection.execute(UNFINISHED, [len(NEXT), NEXT])).fetchall():
            await drop_unless_rebuilt(connection, name)


async def drop_unless_rebuilt(connection: Connection, name: str) -> bool:
    """Drop a table with its checkpoint and quarantine, unless a rebuild of it is running.

    Returns whether it is gone.
    """
    async with connection.transaction():
        cursor = await connection.execute(LOCK, [REBUILD.key, name.removesuffix(NEXT)])
        if await cursor.fetchone() != (True,):
            return False
        await drop(connection, name)
    return True
