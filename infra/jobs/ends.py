"""The ends of tries: written only for the worker that still has the job, with the reason of a failure.

Those that wait at the same time share one statement: most of what a small job costs is its commits.
"""

import asyncio
from collections.abc import Sequence

from procrastinate.jobs import Job as QueuedJob

from infra.jobs.retry import Outcome
from infra.postgres.database import Database

KEPT_ERRORS = 10
"""The number of failed tries of a job that are kept: kinds that are repeated until their deadline may fail often."""

END_TRIES = f"""
WITH ended AS (
    UPDATE jobs.procrastinate_jobs AS job SET
        -- A cancellation counts, unless the job is done before it.
        status = CASE WHEN abort_requested AND try.status <> 'succeeded' THEN 'aborted' ELSE try.status END
            ::jobs.procrastinate_job_status,
        -- Sealed fields are kept only while the job may be performed.
        args = CASE WHEN abort_requested OR try.status IN ('succeeded', 'aborted') THEN args - 'sealed' ELSE args END,
        attempts = job.attempts + try.counts,
        scheduled_at = CASE WHEN try.status = 'todo' THEN now() + make_interval(secs => delay) ELSE scheduled_at END,
        abort_requested = false,
        worker_id = NULL
    FROM unnest(%s::bigint[], %s::int[], %s::bigint[], %s::text[], %s::int[], %s::float8[], %s::text[], %s::text[])
        AS try (id, attempts, worker_id, status, counts, delay, error, reason)
    WHERE job.id = try.id AND job.status = 'doing' AND job.attempts = try.attempts
    AND job.worker_id IS NOT DISTINCT FROM try.worker_id
    RETURNING job.id, job.attempts, error, reason
), failed AS (
    INSERT INTO jobs.job_errors (job_id, try, error, reason)
    SELECT id, attempts, error, reason FROM ended WHERE error IS NOT NULL
), forgotten AS (
    DELETE FROM jobs.job_errors WHERE id IN (
        SELECT old.id FROM ended, LATERAL (
            SELECT id FROM jobs.job_errors WHERE job_id = ended.id ORDER BY id DESC OFFSET {KEPT_ERRORS - 1}
        ) AS old WHERE error IS NOT NULL
    )
)
SELECT id FROM ended
"""  # noqa: S608

EndedTry = tuple[QueuedJob, Outcome]


async def end_tries(database: Database, tries: Sequence[EndedTry]) -> set[int]:
    """Write the ends of tries. Returns the ids of the jobs; of others nothing was written: they were taken over.

    Raises:
        Unavailable: the database does not answer.
    """
    values = [
        (job.id, job.attempts, job.worker_id, end.status.value, int(end.is_try), end.delay, end.error, end.reason)
        for job, end in tries
    ]
    return {id for (id,) in await database.rows(END_TRIES, [[*column] for column in zip(*values, strict=True)])}


async def end_try(database: Database, job: QueuedJob, outcome: Outcome) -> bool:
    """Write the end of one try. False: another worker has taken the job over, and nothing was written.

    Raises:
        Unavailable: the database does not answer.
    """
    return job.id in await end_tries(database, [(job, outcome)])


class TryEnds:
    """Writes the ends of tries. Those that come during a statement share the next one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[EndedTry, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, job: QueuedJob, outcome: Outcome) -> bool:
        """As `end_try`. An error may be that of another job in the statement."""
        is_ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(((job, outcome), is_ended))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await is_ended

    async def settled(self) -> None:
        """Wait until none is being written."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                ended = await end_tries(self._database, [each for each, _ in batch])
            except Exception as error:
                for _, is_ended in batch:
                    if not is_ended.done():
                        is_ended.set_exception(error)
            else:
                for (job, _), is_ended in batch:
                    if not is_ended.done():
                        is_ended.set_result(job.id in ended)
        self._writing = None
