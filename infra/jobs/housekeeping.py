"""Housekeeping: deletes idempotency records that clients no longer rely on, and answers with secrets before that."""

import asyncio

import structlog

from application.idempotency import SECRET_LIFETIME
from application.ports import Unavailable
from infra.asyncio_compat import goes_on
from infra.postgres.database import Database
from infra.store.answers import HEADER_BYTES, AnswerKind

RETENTION_HOURS = 48
"""Twice the time that clients may rely on."""

PAUSE_SECONDS = 60
BATCH_SIZE = 10_000

PURGE = """
DELETE FROM idempotency WHERE key IN (
    SELECT key FROM idempotency WHERE recorded_at < now() - make_interval(hours => %s) LIMIT %s
) RETURNING key
"""
# Leaves the header of the answer: a repeated request must not be executed again.
CUT_SECRETS = f"""
UPDATE idempotency SET answer = substring(answer FOR {HEADER_BYTES})
WHERE get_byte(answer, 1) = {AnswerKind.SECRET:d} AND octet_length(answer) > {HEADER_BYTES}
    AND recorded_at < now() - %s RETURNING key
"""  # noqa: S608

log = structlog.get_logger(__name__)


async def purge_idempotency(database: Database) -> int:
    """Delete idempotency records older than `RETENTION_HOURS`; returns how many."""
    total = 0
    while True:
        deleted = len(await database.rows(PURGE, [RETENTION_HOURS, BATCH_SIZE]))
        total += deleted
        if deleted < BATCH_SIZE:
            return total


async def cut_secrets(database: Database) -> int:
    """Delete answers with secrets that are older than `SECRET_LIFETIME`, not their records; returns how many."""
    return len(await database.rows(CUT_SECRETS, [SECRET_LIFETIME]))


async def run_housekeeping(database: Database) -> None:
    """Purge every `PAUSE_SECONDS` until cancelled."""
    while goes_on():
        try:
            cut, purged = await cut_secrets(database), await purge_idempotency(database)
        except Unavailable as error:
            log.warning("housekeeping postponed", reason=str(error))
        else:
            log.info("housekeeping done", idempotency_records_purged=purged, answers_cut=cut)
        await asyncio.sleep(PAUSE_SECONDS)
