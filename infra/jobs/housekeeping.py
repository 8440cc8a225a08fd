"""Housekeeping: deletes idempotency records that clients no longer rely on."""

import asyncio

import structlog

from application.ports import Unavailable
from infra.asyncio_compat import goes_on
from infra.postgres.database import Database

RETENTION_HOURS = 48
"""Twice the time that clients may rely on."""

PAUSE_SECONDS = 600
BATCH_SIZE = 10_000

PURGE = """
DELETE FROM idempotency WHERE key IN (
    SELECT key FROM idempotency WHERE recorded_at < now() - make_interval(hours => %s) LIMIT %s
) RETURNING key
"""

log = structlog.get_logger(__name__)


async def purge_idempotency(database: Database) -> int:
    """Delete idempotency records older than `RETENTION_HOURS`; returns how many."""
    total = 0
    while True:
        deleted = len(await database.rows(PURGE, [RETENTION_HOURS, BATCH_SIZE]))
        total += deleted
        if deleted < BATCH_SIZE:
            return total


async def run_housekeeping(database: Database) -> None:
    """Purge every `PAUSE_SECONDS` until cancelled."""
    while goes_on():
        try:
            purged = await purge_idempotency(database)
        except Unavailable as error:
            log.warning("housekeeping postponed", reason=str(error))
        else:
            log.info("housekeeping done", idempotency_records_purged=purged)
        await asyncio.sleep(PAUSE_SECONDS)
