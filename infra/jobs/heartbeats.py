"""Heartbeats of the workers of a process: one statement for all of them, which also finds their jobs to cancel."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from application.ports import Unavailable
from infra.jobs.manager import RETRY_SECONDS, QueueManager
from infra.postgres.database import Database

HEARTBEAT_SECONDS = 2.0
BEAT_SECONDS = 2.0
"""The deadline of a heartbeat. Then it is repeated on another connection: this one may be silent."""

# A heartbeat does not wait for the disk: it need not survive a crash of PostgreSQL.
BEAT = """
WITH setting AS (SELECT set_config('synchronous_commit', 'off', true)), living AS (
    UPDATE jobs.procrastinate_workers SET last_heartbeat = now() FROM setting WHERE id = ANY(%s) RETURNING id
)
SELECT living.id, job.id FROM living
LEFT JOIN jobs.procrastinate_jobs AS job ON worker_id = living.id AND status = 'doing' AND abort_requested
"""

log = structlog.get_logger(__name__)


class Heartbeats:
    """Shows that workers live, from `begin` to `end`, also while their last jobs end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._workers: dict[QueueManager, Callable[[], None]] = {}

    def begin(self, worker: QueueManager, on_lost: Callable[[], None]) -> None:
        """Show that a worker lives. `on_lost` is called if it was taken for dead, and its jobs were taken over."""
        self._workers[worker] = on_lost

    def end(self, worker: QueueManager) -> None:
        """Show it no more."""
        self._workers.pop(worker, None)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Beat every `HEARTBEAT_SECONDS`, until the end of the body."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        pause = HEARTBEAT_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = HEARTBEAT_SECONDS
            try:
                await self.beat()
            except Unavailable:
                pause = RETRY_SECONDS
            except Exception as error:
                log.error("no heartbeat; trying again", error=type(error).__name__)

    async def beat(self) -> None:
        """Write one heartbeat of all workers, and cancel their jobs that are to be cancelled.

        Raises:
            Unavailable: the database does not answer.
        """
        workers = {worker.worker_id: worker for worker in self._workers if worker.worker_id is not None}
        if not workers:
            return
        rows = await self._database.rows(BEAT, [[*workers]], seconds=BEAT_SECONDS)
        for worker_id, job_id in rows:
            if job_id is not None:
                await workers[worker_id].cancel(job_id)
        living = {worker_id for worker_id, _ in rows}
        for worker_id, worker in workers.items():
            if worker_id not in living and worker in self._workers:
                self._workers.pop(worker)()
