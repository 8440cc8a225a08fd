"""The workers of a process: one of procrastinate for each queue, each with a concurrency of its own.

A worker that ends for any reason but the end of the process is started again. All of them show that they live by
heartbeats; a worker that was taken for dead meanwhile stops its jobs, which others have begun again.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from time import monotonic
from typing import Any

import structlog
from procrastinate import App, BaseConnector, JobContext
from procrastinate.job_context import AbortReason
from procrastinate.worker import Worker

from application.ports import Unavailable
from infra.asyncio_compat import goes_on
from infra.jobs.heartbeats import Heartbeats
from infra.jobs.manager import QueueAccess, QueueManager
from infra.jobs.performing import JobPerformer

TASK = "job"
"""The only task of procrastinate: it performs all our kinds."""

POLL_SECONDS = 5.0
"""How often a worker looks for jobs although nothing wakes it: a notification may be lost."""

GRACE_SECONDS = 10.0
"""How long running jobs may go on after the process was asked to stop. Supervisors wait for 15 seconds."""

RESTART_SECONDS = 1.0
NEVER_SECONDS = 1e9

log = structlog.get_logger(__name__)


class QueueWorker:
    """Performs the jobs of one queue, `concurrency` at a time."""

    def __init__(
        self, queue: str, concurrency: int, performer: JobPerformer, access: QueueAccess, heartbeats: Heartbeats
    ) -> None:
        self._queue = queue
        self._concurrency = concurrency
        self._performer = performer
        self._access = access
        self._heartbeats = heartbeats

    async def run(self) -> None:
        """Work until cancelled; then finish running jobs within the grace, and hand back the others."""
        while goes_on():
            try:
                await self._run_once()
            except Unavailable as error:
                log.warning("the worker waits for a server", queue=self._queue, reason=str(error))
            except Exception as error:
                log.error("the worker failed; it starts again", queue=self._queue, error=type(error).__name__)
            await asyncio.sleep(RESTART_SECONDS)

    async def _run_once(self) -> None:
        manager = QueueManager(self._access, self._queue, self._concurrency)
        worker = self._worker(manager)
        run: Callable[[], Coroutine[Any, Any, None]] = worker.run
        work = asyncio.create_task(run())

        def stop_at_once() -> None:
            worker.shutdown_graceful_timeout = 0
            work.cancel()

        self._heartbeats.begin(manager, stop_at_once)
        try:
            await asyncio.wait([work])
            work.result()
        except asyncio.CancelledError:
            if goes_on():
                log.warning("the worker was taken for dead; it starts again", queue=self._queue)
                return
            manager.stop_by(monotonic() + GRACE_SECONDS)
            work.cancel()
            await asyncio.wait([work])
            raise
        finally:
            self._heartbeats.end(manager)

    def _worker(self, manager: QueueManager) -> Worker:
        app = App(connector=BaseConnector())
        app.job_manager = manager

        @app.task(name=TASK, pass_context=True)
        async def perform(context: JobContext, /, **args: Any) -> None:
            await self._perform(manager, context, args)

        return Worker(
            app,
            queues=[self._queue],
            name=None,
            concurrency=self._concurrency,
            fetch_job_polling_interval=POLL_SECONDS,
            shutdown_graceful_timeout=GRACE_SECONDS,
            install_signal_handlers=False,
            # Its own heartbeat would end when the worker begins to stop, before its last jobs have ended. Ours also
            # finds the jobs to cancel.
            update_heartbeat_interval=NEVER_SECONDS,
            abort_job_polling_interval=NEVER_SECONDS,
        )

    async def _perform(self, manager: QueueManager, context: JobContext, args: Mapping[str, Any]) -> None:
        job_id = context.job.id
        assert job_id is not None
        await self._performer.perform(
            job_id,
            args,
            context.job.attempts,
            is_shutdown=lambda: context.abort_reason() is not AbortReason.USER_REQUEST,
            record=lambda outcome: manager.record(job_id, outcome),
        )


def silence_library() -> None:
    """Turn off the logs of procrastinate: they quote the arguments of jobs and the messages of errors."""
    library = logging.getLogger("procrastinate")
    library.handlers[:] = [logging.NullHandler()]
    library.propagate = False
    library.setLevel(logging.CRITICAL + 1)
