"""Deletes jobs that ended long ago, with all that belongs to them."""

from infra.jobs.retry import Status
from infra.postgres.database import Database

DONE_HOURS = 24
"""Done and cancelled jobs are kept for questions about yesterday."""

DEAD_HOURS = 90 * 24
"""Dead jobs wait for an operator, but not for ever."""

SEALED_DEAD_HOURS = 7 * 24
"""The same of those with sealed fields, which are about a person (GDPR, Article 5(1)(e)). What they were for has a
deadline of hours; an erasure of that person ends them at once."""

BATCH_SIZE = 1_000

PURGE = """
DELETE FROM jobs.procrastinate_jobs WHERE id IN (
    SELECT job_id FROM jobs.procrastinate_events JOIN jobs.procrastinate_jobs job ON job.id = job_id
    WHERE type IN ('succeeded', 'failed', 'cancelled', 'aborted') AND at < now() - make_interval(hours => %s)
    AND status = ANY(%s::jobs.procrastinate_job_status[]) AND (NOT %s OR args ? 'sealed') AND NOT EXISTS (
        SELECT FROM jobs.procrastinate_events later
        WHERE later.job_id = job.id AND later.at >= now() - make_interval(hours => %s)
    )
    ORDER BY at LIMIT %s
) RETURNING id
"""


async def purge_ended(database: Database) -> int:
    """Delete the jobs that ended longer ago than they are kept; returns how many.

    Raises:
        Unavailable: the database does not answer; some may be deleted.
    """
    done = await _purge(database, [Status.DONE, Status.CANCELLED, Status.ABORTED], DONE_HOURS)
    dead = await _purge(database, [Status.DEAD], DEAD_HOURS)
    return done + dead + await _purge(database, [Status.DEAD], SEALED_DEAD_HOURS, only_sealed=True)


async def _purge(database: Database, statuses: list[Status], hours: int, *, only_sealed: bool = False) -> int:
    total, values = 0, [status.value for status in statuses]
    while deleted := len(await database.rows(PURGE, [hours, values, only_sealed, hours, BATCH_SIZE])):
        total += deleted
    return total
