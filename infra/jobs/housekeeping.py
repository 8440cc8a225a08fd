"""Housekeeping that no request should wait for."""

import asyncio

import structlog

from application.ports import Unavailable
from infra.asyncio_compat import goes_on
from infra.postgres.database import Database

KEPT_HOURS = 48
PAUSE_SECONDS = 600
PORTION = 10_000

PURGE = """
DELETE FROM idempotency WHERE key IN (
    SELECT key FROM idempotency WHERE recorded_at < now() - make_interval(hours => %s) LIMIT %s
) RETURNING key
"""

log = structlog.get_logger(__name__)


async def purge_idempotency(database: Database) -> int:
    """Forget idempotency records older than 48 hours (twice what clients may rely on). Answers how many."""
    purged = 0
    while True:
        portion = len(await database.rows(PURGE, [KEPT_HOURS, PORTION]))
        purged += portion
        if portion < PORTION:
            return purged


async def keep_house(database: Database) -> None:
    """Purge now and then, until cancelled."""
    while goes_on():
        try:
            purged = await purge_idempotency(database)
        except Unavailable as error:
            log.warning("housekeeping postponed", reason=str(error))
        else:
            log.info("housekeeping done", idempotency_records_purged=purged)
        await asyncio.sleep(PAUSE_SECONDS)
