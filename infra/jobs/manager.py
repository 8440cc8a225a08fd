"""The queries of a worker of procrastinate on its queue, in place of the library's own `JobManager`.

They differ in four ways. They survive an outage of the database: the worker and its running jobs go on. The end of a
try is written only by the worker that still has the job (`ends.py`). Jobs are taken, and ended, several at a time. And
no worker is removed because its heartbeat is old: what a lost worker has left is taken over elsewhere (`stalled.py`).
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from time import monotonic

import psycopg
import structlog
from procrastinate import BaseConnector
from procrastinate.jobs import Job as QueuedJob
from procrastinate.jobs import Status as QueueStatus
from procrastinate.manager import JobManager, NotificationCallback

from application.ports import Unavailable
from infra.jobs.ends import TryEnds, end_try
from infra.jobs.retry import HANDED_BACK, Outcome
from infra.postgres.connect import AsyncConnection
from infra.postgres.database import Database
from infra.postgres.listener import Listener

RETRY_SECONDS = 0.5
MIN_PAUSE_SECONDS = 0.05
"""The shortest time until a worker looks for a job that another one is taking just now."""

HAND_BACK_SECONDS = 1.0
"""The time between fetches that hand back lost jobs. Not each one does: with old statistics of the table PostgreSQL may
read the index of all waiting jobs, 30 ms with 100,000 of them."""

MAX_PAYER_SHARE = 0.75
"""The share of a worker's places that one payer's jobs may have, if payers take turns: the others are for newcomers."""

_HAND_BACK = """
UPDATE jobs.procrastinate_jobs SET
    status = CASE WHEN abort_requested THEN 'aborted' ELSE 'todo' END::jobs.procrastinate_job_status,
    args = CASE WHEN abort_requested THEN args - 'sealed' ELSE args END,
    abort_requested = false,
    worker_id = NULL
WHERE status = 'doing' AND worker_id = %s
"""
# The reply to an earlier fetch may have been lost, also when `Database.fetch` repeated the statement: its job would
# stay running, and no task would perform it. So a fetch hands back what the worker has and does not know of. The update
# sees the rows as they were before the statement, not the job that the statement takes.
# There is a row also without a job: it says when the next one is due, and whether some are due whose turn it is not.
# Each job that is taken can begin at once.
FETCH = f"""
WITH handed_back AS ({_HAND_BACK} AND %s AND id <> ALL(%s))
SELECT id, queue_name AS queue, task_name, lock, queueing_lock, args AS task_kwargs, attempts, worker_id,
       CASE WHEN id IS NULL THEN jobs.seconds_until_due(%s) END AS pause,
       CASE WHEN id IS NULL THEN jobs.turns_wait(%s) END AS turns_wait
FROM (SELECT) AS always LEFT JOIN jobs.fetch_job(%s, %s, %s, %s) ON true
ORDER BY priority DESC, id
"""  # noqa: S608
REGISTER = """
WITH registered AS (INSERT INTO jobs.procrastinate_workers DEFAULT VALUES RETURNING id)
INSERT INTO jobs.worker_queues (worker_id, queue) SELECT id, %s FROM registered RETURNING worker_id
"""
# A job that was fetched and not begun when the worker stopped is still its own.
UNREGISTER = f"""
WITH handed_back AS ({_HAND_BACK})
DELETE FROM jobs.procrastinate_workers WHERE id = %s
"""  # noqa: S608

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QueueAccess:
    """The database as a worker uses it, with connections that jobs cannot use up. `url`: for those that listen."""

    database: Database
    url: str


class QueueManager(JobManager):
    """The queries of one worker on one queue. `concurrency`: how many jobs it performs at a time."""

    def __init__(self, access: QueueAccess, queue: str, concurrency: int = 1) -> None:
        super().__init__(BaseConnector())  # it runs no query
        self._database = access.database
        self._url = access.url
        self._queue = queue
        self._channel = f"procrastinate_queue_v1#{queue}"
        self.worker_id: int | None = None
        self._concurrency = concurrency
        self._ends = TryEnds(access.database)
        self._held: dict[int, QueuedJob] = {}
        """The jobs that this worker has taken and not ended."""
        self._taken: deque[QueuedJob] = deque()
        """Of them those that the worker has not asked for yet."""
        self._turns_wait = False
        """Whether the last fetch found jobs that are due, and whose turn it is not before another job ends."""
        self._handed_back_at = float("-inf")
        self._outcomes: dict[int, Outcome] = {}
        self._stop_at: float | None = None
        self._woken = asyncio.Event()
        self._wakes = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._notify: NotificationCallback | None = None

    def record(self, job_id: int, outcome: Outcome) -> None:
        """Take the outcome of a try, which `finish_job` will write."""
        self._outcomes[job_id] = outcome

    def stop_by(self, moment: float) -> None:
        """From this moment of the monotonic clock on, do not wait for the database any more."""
        self._stop_at = moment

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> QueuedJob | None:
        """Take the next job that is due; None: there is none now, or the database does not answer.

        The worker calls it again only after it has returned; after None, when it is woken. That it was woken meanwhile
        it does not notice, so this is looked after here.
        """
        while True:
            wakes = self._wakes
            job = await self._fetch(worker_id)
            if job is not None or wakes == self._wakes:
                return job

    async def _fetch(self, worker_id: int) -> QueuedJob | None:
        """As `fetch_job`. Without a job, the worker will be woken when the next one is due."""
        if not self._taken:
            await self._take(worker_id)
        return self._taken.popleft() if self._taken else None

    async def _take(self, worker_id: int) -> None:
        """Take as many jobs as can begin now, at least one: the worker asks only when it can begin one.

        Jobs that are ending just now make room for others: with them there are more for one commit.
        """
        await self._ends.settled()
        now = monotonic()
        most = max(1, self._concurrency - len(self._held))
        most_of_payer = math.ceil(self._concurrency * MAX_PAYER_SHARE)
        is_time = now - self._handed_back_at >= HAND_BACK_SECONDS
        values = [worker_id, is_time, [*self._held], *[self._queue] * 3, worker_id, most, most_of_payer]
        try:
            names, found = await self._database.fetch(FETCH, values)
        except (Unavailable, psycopg.errors.ForeignKeyViolation):
            # The latter: this worker was taken for dead. The next heartbeat stops it with its jobs (heartbeats.py); the
            # library would end it after them.
            self._wake_in(RETRY_SECONDS)
            return
        except psycopg.errors.UniqueViolation:  # another worker has just begun a job with the same lock
            self._wake_in(MIN_PAUSE_SECONDS)
            return
        if is_time:
            self._handed_back_at = now
        self._turns_wait = False
        for *fields, pause, turns_wait in found:
            job = QueuedJob(**dict(zip(names, fields, strict=False)))
            if job.id is not None:
                self._held[job.id] = job
                self._taken.append(job)
                continue
            self._turns_wait = turns_wait
            if pause is not None:
                self._wake_in(pause)

    def _wake(self) -> None:
        self._wakes += 1
        self._woken.set()

    def _wake_in(self, seconds: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(max(MIN_PAUSE_SECONDS, seconds), self._wake)

    async def finish_job(self, job: QueuedJob, status: QueueStatus, delete_job: bool) -> None:
        """Write the recorded outcome of a try, as soon as the database answers."""
        assert job.id is not None
        outcome = self._outcomes.pop(job.id, HANDED_BACK)
        try:
            await self._write_end(job, outcome)
        finally:
            # The worker may have fetched the job again before it knew that this try was written.
            if self._held.get(job.id) is job:
                del self._held[job.id]
            if self._turns_wait:
                self._wake()

    async def _write_end(self, job: QueuedJob, outcome: Outcome) -> None:
        """Write it together with others; if that fails, alone: the reason may be one of them."""
        write = self._ends.write
        while True:
            try:
                is_ended = await write(job, outcome)
                break
            except Unavailable:
                pass
            except psycopg.Error as error:
                log.error("the end of a job is not written; trying again", job=job.id, error=type(error).__name__)
            if self._stop_at is not None and monotonic() > self._stop_at:
                log.warning("the end of a job is not written; it will be tried again", job=job.id)
                return
            write = partial(end_try, self._database)
            await asyncio.sleep(RETRY_SECONDS)
        if not is_ended:
            log.warning("a job was taken over by another worker", job=job.id, outcome=outcome.status)

    async def listen_for_jobs(
        self, *, on_notification: NotificationCallback, queues: Iterable[str] | None = None
    ) -> None:
        """Wake the worker after each notification of its queue, whatever it says, until cancelled."""
        self._notify = on_notification
        listener = Listener(
            self._url,
            f'"{self._channel}"',
            on_notification=lambda _: self._wake(),
            on_listening=self._on_listening,
        )
        listener.start()
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                await on_notification(channel=self._channel, notification={"type": "job_inserted", "job_id": 0})
        finally:
            await listener.stop()

    async def _on_listening(self, _: AsyncConnection) -> None:
        self._wake()

    async def cancel(self, job_id: int) -> None:
        """Cancel a job, if it runs here."""
        if self._notify is not None:
            await self._notify(channel=self._channel, notification={"type": "abort_job_requested", "job_id": job_id})

    async def register_worker(self) -> int:
        """Register a worker of this queue, and return its id.

        Raises:
            Unavailable: the database does not answer.
        """
        [(worker_id,)] = await self._database.rows(REGISTER, [self._queue])
        self.worker_id = worker_id
        return int(worker_id)

    async def unregister_worker(self, worker_id: int) -> None:
        """Remove a worker that has stopped. If the database does not answer, it is found by its missing heartbeat."""
        self.worker_id = None
        try:
            await self._database.rows(UNREGISTER, [worker_id, worker_id])
        except Unavailable:
            log.warning("the worker could not be unregistered", queue=self._queue)

    async def prune_stalled_workers(self, seconds_since_heartbeat: float) -> list[int]:
        """Do nothing: after an outage all heartbeats are old."""
        return []
