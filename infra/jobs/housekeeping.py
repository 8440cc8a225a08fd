"""Housekeeping: deletes idempotency records, answers with secrets, jobs, sessions, log entries and views of old."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ClassVar

from application.idempotency import SECRET_LIFETIME
from application.jobs import ScheduledJob, performs
from application.ports import Clock
from infra.jobs.purge import purge_ended
from infra.postgres.database import Database
from infra.store.answers import HEADER_BYTES, AnswerKind

RETENTION_HOURS = 48
"""Twice the time that clients may rely on."""

SESSION_RETENTION = timedelta(days=90)
"""How long sessions are kept after their beginning, at least: to recognise devices, and to answer questions."""

VIEW_RETENTION = timedelta(days=90)
"""How long is kept that a user has viewed a document."""

BATCH_SIZE = 10_000

PURGE = """
DELETE FROM idempotency WHERE key IN (
    SELECT key FROM idempotency WHERE recorded_at < least(now() - make_interval(hours => %s), %s) LIMIT %s
) RETURNING key
"""
# Leaves the header of the answer: a repeated request must not be executed again.
CUT_SECRETS = f"""
UPDATE idempotency SET answer = substring(answer FOR {HEADER_BYTES})
WHERE get_byte(answer, 1) = {AnswerKind.SECRET:d} AND octet_length(answer) > {HEADER_BYTES}
    AND recorded_at < now() - %s RETURNING key
"""  # noqa: S608

# A view of an erased user that was written while `erase_keys` ran is deleted, too.
PURGE_VIEWS = """
DELETE FROM recent_documents WHERE viewed_at < now() - %s
    OR user_id IN (SELECT subject_id FROM data_keys WHERE wrapped IS NULL AND erased_at > now() - interval '7 days')
"""

PURGE_PARTIAL_TEXTS = "DELETE FROM partial_texts WHERE kept_at < now() - interval '1 day'"
KEEP_SECURITY_LOG = "SELECT keep_security_log()"

OldestNeeded = Callable[[], Awaitable[datetime | None]]
"""Returns the time from which on records are still needed, whatever their age: the commands of a policy that is behind
may be sent again. None: none is needed."""


class Housekeeping(ScheduledJob, frozen=True):
    """Base of the kinds of this room. All of them can be repeated: what is deleted already is not found again."""

    queue: ClassVar[str] = "housekeeping"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=10)


class PurgeIdempotency(Housekeeping, frozen=True):
    """Delete idempotency records that are no longer needed."""

    kind: ClassVar[str] = "purge_idempotency"
    every: ClassVar[str | None] = "* * * * *"


class CutSecrets(Housekeeping, frozen=True):
    """Delete answers with secrets."""

    kind: ClassVar[str] = "cut_secrets"
    every: ClassVar[str | None] = "* * * * *"


class PurgeJobs(Housekeeping, frozen=True):
    """Delete jobs that ended long ago."""

    kind: ClassVar[str] = "purge_jobs"
    every: ClassVar[str | None] = "*/10 * * * *"


class KeepSessionPartitions(Housekeeping, frozen=True):
    """Make the tables of sessions of the next months, and drop those that are too old."""

    kind: ClassVar[str] = "keep_session_partitions"
    every: ClassVar[str | None] = "17 3 * * *"


class KeepSecurityLog(Housekeeping, frozen=True):
    """Make the next partitions of the security log, and drop those that are too old."""

    kind: ClassVar[str] = "keep_security_log"
    every: ClassVar[str | None] = "23 3 * * *"


class PurgeViews(Housekeeping, frozen=True):
    """Delete what users have viewed long ago."""

    kind: ClassVar[str] = "purge_views"
    every: ClassVar[str | None] = "31 3 * * *"


class PurgePartialTexts(Housekeeping, frozen=True):
    """Delete what lost workers have left of texts that they were writing."""

    kind: ClassVar[str] = "purge_partial_texts"
    every: ClassVar[str | None] = "11 * * * *"


@performs
async def perform_purge_idempotency(job: PurgeIdempotency, database: Database, oldest_needed: OldestNeeded) -> None:
    """Delete the records that neither clients nor policies need."""
    await purge_idempotency(database, await oldest_needed())


@performs
async def perform_cut_secrets(job: CutSecrets, database: Database) -> None:
    """Cut the answers that are older than `SECRET_LIFETIME`."""
    await cut_secrets(database)


@performs
async def perform_purge_jobs(job: PurgeJobs, database: Database) -> None:
    """Delete the jobs that nothing needs any more."""
    await purge_ended(database)


@performs
async def perform_keep_session_partitions(job: KeepSessionPartitions, database: Database, clock: Clock) -> None:
    """Keep the partitions of `sessions` for as long as `SESSION_RETENTION` says."""
    now = clock()
    await database.rows("SELECT keep_session_partitions(%s, %s)", [now, now - SESSION_RETENTION])


@performs
async def perform_keep_security_log(job: KeepSecurityLog, database: Database) -> None:
    """Call the function of the database that may do it."""
    await database.rows(KEEP_SECURITY_LOG, [])


@performs
async def perform_purge_views(job: PurgeViews, database: Database) -> None:
    """Delete the views that are older than `VIEW_RETENTION`."""
    await database.rows(PURGE_VIEWS, [VIEW_RETENTION])


@performs
async def perform_purge_partial_texts(job: PurgePartialTexts, database: Database) -> None:
    """Delete the rows that are older than a generation can run."""
    await database.rows(PURGE_PARTIAL_TEXTS, [])


async def purge_idempotency(database: Database, oldest_needed: datetime | None = None) -> int:
    """Delete idempotency records older than `RETENTION_HOURS` and than `oldest_needed`; returns how many."""
    total = 0
    while True:
        deleted = len(await database.rows(PURGE, [RETENTION_HOURS, oldest_needed, BATCH_SIZE]))
        total += deleted
        if deleted < BATCH_SIZE:
            return total


async def cut_secrets(database: Database) -> int:
    """Delete answers with secrets that are older than `SECRET_LIFETIME`, not their records; returns how many."""
    return len(await database.rows(CUT_SECRETS, [SECRET_LIFETIME]))
