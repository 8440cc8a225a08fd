"""The queue of jobs on the database of a test, kinds to try it with, and workers in this process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from application.jobs import PERFORMERS, Confidential, Job, Performer, PerformerRegistration, Retries, performs
from infra.bootstrap.write_side import utc_now
from infra.jobs.encoding import JobCodec
from infra.jobs.manager import QueueAccess
from infra.jobs.queue import PostgresJobQueue
from infra.jobs.workers import run_workers
from infra.postgres.connect import create_pool
from infra.postgres.database import Database
from infra.sealing.job_seals import JobSeals
from infra.sealing.process_keys import wrapping_of
from tests.support.servers import Database as DatabaseForTests
from tests.support.stores import KEY_RING, rows

STATUSES = "SELECT status::text FROM jobs.procrastinate_jobs ORDER BY id"
ERRORS = "SELECT try, error, reason FROM jobs.job_errors ORDER BY id"


class Greet(Job, frozen=True, kw_only=True):
    """A job with a plain field and a personal one."""

    kind: ClassVar[str] = "greet"
    retries: ClassVar[Retries] = Retries(delays=(0, 0))
    number: int = 1
    name: Confidential[str] = "Ana Canary"

    @property
    def effect_key(self) -> str:
        return f"greet:{self.number}"


class GreetInTurn(Greet, frozen=True, kw_only=True):
    """All of its jobs have the same lock."""

    kind: ClassVar[str] = "greet_in_turn"

    @property
    def lock(self) -> str | None:
        return "door"


class GreetShortly(Greet, frozen=True, kw_only=True):
    """It has a fifth of a second."""

    kind: ClassVar[str] = "greet_shortly"
    run_timeout: ClassVar[timedelta] = timedelta(seconds=0.2)


class GreetUrgently(Greet, frozen=True, kw_only=True):
    """It comes before others."""

    kind: ClassVar[str] = "greet_urgently"
    priority: ClassVar[int] = 5


class GreetByMail(Greet, frozen=True, kw_only=True):
    """It is in a queue of its own."""

    kind: ClassVar[str] = "greet_by_mail"
    queue: ClassVar[str] = "mail"


@dataclass(frozen=True, slots=True)
class OpenedJobs:
    """The queue as a worker process has it."""

    queue: PostgresJobQueue
    codec: JobCodec
    access: QueueAccess
    admin_url: str

    def statuses(self) -> list[str]:
        """The status of each job, in their order."""
        return [status for (status,) in rows(self.admin_url, STATUSES)]

    def errors(self) -> list[tuple[int, str, str | None]]:
        """The try, the error and the reason of each failed try."""
        return [(number, error, reason) for number, error, reason in rows(self.admin_url, ERRORS)]

    @asynccontextmanager
    async def working(
        self, ports: Mapping[str, Any] | None = None, queues: Mapping[str, int] | None = None
    ) -> AsyncIterator["asyncio.Task[None]"]:
        """Workers in this process, for kinds of tests alone, until the end. If they fail, so does the test.

        Other kinds are known or not, depending on the tests before, and some are enqueued every minute.
        """
        with pytest.MonkeyPatch.context() as patch:
            for job in [each for each in PERFORMERS if not each.__module__.startswith("tests.")]:
                patch.delitem(PERFORMERS, job)
            workers = run_workers(self.access, self.codec, ports or {}, queues or {"default": 4}, utc_now)
            async with asyncio.TaskGroup() as group:
                task = group.create_task(workers)
                yield task
                task.cancel()


async def keys_fit(*, again: bool = False) -> None:
    """The keys of the tests fit every database."""


@asynccontextmanager
async def open_jobs(database: DatabaseForTests, seals: JobSeals | None = None) -> AsyncIterator[OpenedJobs]:
    """Open the queue with the rights of the worker."""
    url = database.part_url("worker")
    codec = JobCodec(seals or JobSeals(*wrapping_of(KEY_RING)))
    pool = create_pool(url, 8)
    await pool.open(wait=False)
    access = QueueAccess(Database(pool), url)
    try:
        yield OpenedJobs(PostgresJobQueue(access.database, codec, keys_fit), codec, access, database.admin_url)
    finally:
        await pool.close()


def register(monkeypatch: pytest.MonkeyPatch, performer: Performer) -> None:
    """Register a performer for one test."""
    before = dict(PERFORMERS)
    performs(performer)
    [job] = set(PERFORMERS) - set(before)
    registration: PerformerRegistration = PERFORMERS.pop(job)
    monkeypatch.setitem(PERFORMERS, job, registration)
