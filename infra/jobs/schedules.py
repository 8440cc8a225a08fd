"""Schedules: enqueues the kinds of jobs that have a cron expression, at each of its ticks, in UTC.

The last tick of a kind is kept in the database: of several processes one enqueues, and after an interruption the last
tick that was missed is made up for, not those before it. A new kind begins with its next tick. While a job of the kind
still waits, no second one is enqueued.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from croniter import croniter

from application.jobs import Job, job_kinds
from application.ports import Clock, Unavailable
from infra.asyncio_compat import goes_on
from infra.jobs.encoding import JobCodec
from infra.postgres.database import Database

LOOK_SECONDS = 10.0
"""The longest time between two looks: the clock may be set."""

RETRY_SECONDS = 1.0
CRON_FIELDS = 5

# One statement, so that no tick is recorded without its job.
TICK = """
WITH known AS (SELECT FROM jobs.schedules WHERE kind = %s),
moved AS (
    INSERT INTO jobs.schedules AS earlier (kind, tick) VALUES (%s, %s)
    ON CONFLICT (kind) DO UPDATE SET tick = excluded.tick WHERE earlier.tick < excluded.tick
    RETURNING tick
)
SELECT enqueue_jobs(ARRAY[%s], ARRAY[%s], ARRAY[%s], ARRAY[%s]::jsonb[], ARRAY[NULL]::timestamptz[])
FROM moved, known WHERE NOT EXISTS (
    SELECT FROM jobs.procrastinate_jobs WHERE status = 'todo' AND queue_name = %s AND args ->> 'kind' = %s
)
"""

log = structlog.get_logger(__name__)


def last_tick(expression: str, now: datetime) -> datetime:
    """Return the last tick of a cron expression that is not after `now`."""
    # `get_prev` returns what is before its start.
    tick: datetime = croniter(expression, now + timedelta(microseconds=1)).get_prev(datetime)
    return tick


def next_tick(expression: str, now: datetime) -> datetime:
    """Return the first tick of a cron expression after `now`."""
    tick: datetime = croniter(expression, now).get_next(datetime)
    return tick


def is_cron(expression: str) -> bool:
    """Whether this is a cron expression of five fields."""
    return len(expression.split()) == CRON_FIELDS and croniter.is_valid(expression)


def scheduled_kinds() -> list[type[Job]]:
    """Return the kinds that run by a schedule."""
    return [job for job in job_kinds().values() if job.every is not None]


class Schedules:
    """Enqueues jobs of these kinds at their ticks. Every process may run it."""

    def __init__(self, kinds: Iterable[type[Job]], database: Database, codec: JobCodec, clock: Clock) -> None:
        self._kinds = list(kinds)
        self._database = database
        self._codec = codec
        self._clock = clock
        self._next: dict[str, datetime] = {}
        """The next tick of each kind whose last one was recorded."""

    async def run(self) -> None:
        """Look at each tick, and at least every `LOOK_SECONDS`, until cancelled."""
        while goes_on():
            pause = RETRY_SECONDS
            try:
                await self.look()
                pause = self._pause()
            except Unavailable:
                pass  # the tick is made up for
            except Exception as error:
                log.error("schedules failed; trying again", error=type(error).__name__)
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """Enqueue a job of each kind that has a new tick.

        Raises:
            Unavailable: the database does not answer.
        """
        now = self._clock()
        for kind in self._kinds:
            assert kind.every is not None
            if kind.kind not in self._next or now >= self._next[kind.kind]:
                await self._enqueue(kind, last_tick(kind.every, now))
                self._next[kind.kind] = next_tick(kind.every, now)

    def _pause(self) -> float:
        """The seconds until the next tick, at most `LOOK_SECONDS`."""
        now = self._clock()
        return min([LOOK_SECONDS, *((tick - now).total_seconds() for tick in self._next.values())])

    async def _enqueue(self, kind: type[Job], tick: datetime) -> None:
        job = self._codec.encode(kind())
        encoded = [job.queue, job.priority, job.lock, job.args]
        if await self._database.rows(TICK, [kind.kind, kind.kind, tick, *encoded, job.queue, kind.kind]):
            log.debug("job enqueued by its schedule", kind=kind.kind, tick=tick)
