"""The queue of jobs in PostgreSQL: enqueues through the function `enqueue_jobs`, on its own or within a transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from application.cause import Cause, present_cause
from application.jobs import Job
from application.ports import Unavailable
from infra.jobs.encoding import EncodedJob, JobCodec
from infra.postgres.connect import AsyncConnection
from infra.postgres.database import Database
from infra.sealing.check_values import WrongKey
from infra.store.event_store import CheckKeys

ENQUEUE = "SELECT enqueue_jobs(%s::text[], %s::int[], %s::text[], %s::text[]::jsonb[], %s::timestamptz[])"
PLACE = "SELECT queue_place(%s, %s, %s, %s)"
PAUSED = "SELECT name FROM jobs.resources WHERE name = ANY(%s::text[]) AND paused_at IS NOT NULL"
MAX_ATTEMPTS = 3
ENQUEUING = "Enqueuing"


class PostgresJobQueue:
    """Implements `application.ports.JobQueue`. `check_keys` is called before each use of the keys."""

    def __init__(self, database: Database, codec: JobCodec, check_keys: CheckKeys) -> None:
        self._database = database
        self._codec = codec
        self._check_keys = check_keys

    async def enqueue(self, *jobs: Job, at: datetime | None = None) -> None:
        """See `application.ports.JobQueue.enqueue`. If the connection breaks, they may be kept twice."""
        causes = [present_cause()] * len(jobs)
        for attempt in range(MAX_ATTEMPTS):
            values = _columns(await self.encoded(jobs, causes, again=attempt > 0), at)
            if await self._database.rows(ENQUEUE, values) == [(True,)]:
                return
        raise Unavailable(ENQUEUING)

    async def enqueue_on(
        self, connection: AsyncConnection, jobs: Sequence[Job], causes: Sequence[Cause | None]
    ) -> None:
        """Enqueue jobs in the transaction of the connection, with one statement. `causes`: of each job.

        Raises:
            Unavailable: the keys of this process do not fit the database; the transaction can go on.
            psycopg.Error: the statement failed.
        """
        for attempt in range(MAX_ATTEMPTS):
            values = _columns(await self.encoded(jobs, causes, again=attempt > 0), None)
            if await (await connection.execute(ENQUEUE, values)).fetchone() == (True,):
                return
        raise Unavailable(ENQUEUING)

    async def place(self, job: Job) -> int:
        """See `application.ports.JobQueue.place`."""
        assert job.turn is not None
        [(place,)] = await self._database.rows(PLACE, [job.queue, job.turn.lane, job.turn.payer, job.lock])
        return int(place)

    async def paused(self, resources: Collection[str]) -> set[str]:
        """See `application.ports.JobQueue.paused`. For workers: others have no right to read it."""
        return {name for (name,) in await self._database.rows(PAUSED, [[*resources]])}

    async def encoded(
        self, jobs: Sequence[Job], causes: Sequence[Cause | None], *, again: bool = False
    ) -> list[EncodedJob]:
        """Encode jobs under the current keys. `again`: read the keys again, since one of them has been closed.

        Raises:
            Unavailable: the keys of this process do not fit the database.
        """
        try:
            await self._check_keys(again=again)
        except WrongKey as error:
            raise Unavailable(ENQUEUING) from error
        return [self._codec.encode(job, cause) for job, cause in zip(jobs, causes, strict=True)]


def _columns(jobs: Sequence[EncodedJob], at: datetime | None) -> list[list[Any]]:
    """The parameters of `ENQUEUE`."""
    return [
        [each.queue for each in jobs],
        [each.priority for each in jobs],
        [each.lock for each in jobs],
        [each.args for each in jobs],
        [at or each.not_before for each in jobs],
    ]
