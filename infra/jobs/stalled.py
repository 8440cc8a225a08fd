"""Takes over the jobs of workers that ended without a word: killed processes, lost machines, hanging event loops.

A worker counts as lost when this process has itself seen that its heartbeat stays the same for `STALL_SECONDS`, without
a break. So an outage of the database, or a pause of this process, makes no worker look lost: the watch begins again.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime

import structlog
from procrastinate.jobs import Job as QueuedJob

from application.ports import Unavailable
from infra.asyncio_compat import goes_on
from infra.jobs.ends import end_try
from infra.jobs.retry import WORKER_LOST, after
from infra.postgres.database import Database

LOOK_SECONDS = 2.0
STALL_SECONDS = 8.0
"""Long enough for a heartbeat that meets two silent connections before one that answers: 2 s until it begins
(`HEARTBEAT_SECONDS`), and twice 2 s and a pause of 0.5 s (`BEAT_SECONDS`, `RETRY_SECONDS`; heartbeats.py, manager.py).
Short enough that others have taken the jobs over within 15 s."""

MAX_GAP_SECONDS = 3 * LOOK_SECONDS
"""After a longer time between two looks the watch begins again: this process may have been the one that stood."""

# A worker that has been removed has left its jobs behind: that they have no worker is enough.
HEARTBEATS = """
SELECT id, last_heartbeat, EXISTS (
    SELECT FROM jobs.procrastinate_jobs WHERE status = 'doing' AND task_name = 'job' AND worker_id IS NULL
)
FROM jobs.procrastinate_workers
"""
LEFT_BEHIND = """
SELECT id, queue_name AS queue, task_name, lock, queueing_lock, args AS task_kwargs, attempts, worker_id
FROM jobs.procrastinate_jobs
WHERE status = 'doing' AND task_name = 'job' AND (worker_id IS NULL OR worker_id = ANY(%s)) ORDER BY id
"""
FORGET_WORKERS = "DELETE FROM jobs.procrastinate_workers WHERE id = ANY(%s)"

log = structlog.get_logger(__name__)


class HeartbeatWatch:
    """Observes heartbeats, and says which workers are lost."""

    def __init__(self) -> None:
        self._looked_at = float("-inf")
        self._seen: dict[int, tuple[datetime, float]] = {}

    def look(self, heartbeats: Mapping[int, datetime], now: float) -> list[int]:
        """Return the workers whose heartbeat stays the same. `now`: of the monotonic clock, in seconds."""
        if now - self._looked_at > MAX_GAP_SECONDS:
            self._seen.clear()
        self._looked_at = now
        earlier, self._seen = self._seen, {}
        for worker_id, heartbeat in heartbeats.items():
            seen = earlier.get(worker_id)
            self._seen[worker_id] = seen if seen is not None and seen[0] == heartbeat else (heartbeat, now)
        return [worker_id for worker_id, (_, since) in self._seen.items() if now - since >= STALL_SECONDS]

    def begin_again(self) -> None:
        """Forget what was seen."""
        self._seen.clear()


class StalledJobs:
    """Watches all workers of the database, and takes over the jobs of lost ones. Every process may run it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watch = HeartbeatWatch()

    async def run(self) -> None:
        """Look every `LOOK_SECONDS`, until cancelled."""
        while goes_on():
            try:
                await self.look()
            except Unavailable:
                self._watch.begin_again()
            except Exception as error:
                log.error("stalled jobs are not watched; trying again", error=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once.

        Raises:
            Unavailable: the database does not answer.
        """
        found = await self._database.rows(HEARTBEATS, [])
        lost = self._watch.look({id: heartbeat for id, heartbeat, _ in found}, time.monotonic())
        if not lost and not any(is_left_behind for *_, is_left_behind in found):
            return
        names, rows = await self._database.fetch(LEFT_BEHIND, [lost])
        for row in rows:
            await self._take_over(QueuedJob(**dict(zip(names, row, strict=True))))
        if lost:
            await self._database.rows(FORGET_WORKERS, [lost])

    async def _take_over(self, job: QueuedJob) -> None:
        """Let the job be tried again, or be dead after its last try: it may be the reason why its worker is lost."""
        outcome = after(WORKER_LOST, job.task_kwargs, job.attempts + 1, time.time())
        if await end_try(self._database, job, outcome):
            kind = job.task_kwargs["kind"]
            log.warning("a job of a lost worker was taken over", job=job.id, kind=kind, outcome=outcome.status)
