"""A worker during an outage of the database: it goes on, and writes the ends of its jobs when the database is back."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, cast

import psycopg
import pytest
from procrastinate.jobs import Job as QueuedJob
from procrastinate.jobs import Status
from structlog.testing import capture_logs

from application.ports import Unavailable
from infra.jobs import ends, manager
from infra.jobs.manager import QueueAccess, QueueManager
from infra.jobs.retry import DONE
from infra.postgres.database import Database

FIELDS = ("id", "queue", "task_name", "lock", "queueing_lock", "task_kwargs", "attempts", "worker_id")
JOB = QueuedJob(id=1, queue="default", lock=None, queueing_lock=None, task_name="job", worker_id=7)


class FailingDatabase:
    """It does not answer the first `outages` statements; then it returns one row for each."""

    def __init__(self, outages: int) -> None:
        self.outages = outages
        self.error: Exception = Unavailable("The database")
        self.params: list[Any] = []
        self.ran: list[str] = []
        self.pause: float | None = None
        self.turns_wait = False
        self.during: Callable[[], None] = lambda: None

    async def rows(self, query: str, params: Any, *, seconds: float = 10.0) -> list[tuple[int]]:
        if self.outages > 0:
            self.outages -= 1
            raise self.error
        self.ran.append(query)
        self.params.append(params)
        return [(1,)]

    async def fetch(self, query: str, params: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
        """There is no job."""
        await self.rows(query, params)
        self.during()
        return [*FIELDS, "pause", "turns_wait"], [(*[None] * len(FIELDS), self.pause, self.turns_wait)]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "RETRY_SECONDS", 0.001)


def managed(outages: int) -> tuple[QueueManager, FailingDatabase]:
    database = FailingDatabase(outages)
    return QueueManager(QueueAccess(cast(Database, database), ""), "default"), database


async def test_the_end_of_a_job_is_written_when_the_database_is_back() -> None:
    own, database = managed(outages=3)
    own.record(1, DONE)
    await own.finish_job(JOB, Status.SUCCEEDED, False)
    assert database.ran == [ends.END_TRIES]


async def test_the_end_of_a_job_is_written_also_after_errors_that_are_no_outage() -> None:
    own, database = managed(outages=3)
    database.error = psycopg.errors.DeadlockDetected("Ana Canary")
    own.record(1, DONE)
    with capture_logs() as logs:
        await own.finish_job(JOB, Status.SUCCEEDED, False)
    assert database.ran == [ends.END_TRIES]
    assert [log["error"] for log in logs] == ["DeadlockDetected"] * 3
    assert "Canary" not in str(logs)


async def test_after_an_error_of_several_ends_each_is_written_alone() -> None:
    """So one that cannot be written holds up no others."""
    own, database = managed(outages=1)
    database.error = psycopg.errors.CheckViolation("one of them")
    await asyncio.gather(*[own.finish_job(job, Status.SUCCEEDED, False) for job in (JOB, JOB.evolve(id=2))])
    assert sorted(ids for ids, *_ in database.params) == [[1], [2]]


async def test_a_worker_that_must_stop_does_not_wait_for_the_database() -> None:
    own, database = managed(outages=1_000_000)
    own.record(1, DONE)
    own.stop_by(monotonic())
    await own.finish_job(JOB, Status.SUCCEEDED, False)
    assert database.ran == []


async def test_without_a_database_there_is_nothing_to_do_and_the_worker_goes_on() -> None:
    own, _ = managed(outages=3)
    assert await own.fetch_job(None, 7) is None
    await own.unregister_worker(7)


async def test_no_worker_is_removed_because_its_heartbeat_is_old() -> None:
    own, database = managed(outages=0)
    assert await own.prune_stalled_workers(0) == []
    assert database.ran == []


async def test_a_lock_that_another_worker_has_just_taken_means_that_there_is_no_job_now() -> None:
    own, database = managed(outages=1)
    database.error = psycopg.errors.UniqueViolation("the lock index")
    assert await own.fetch_job(None, 7) is None


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times after which the worker is woken."""
    alarms: list[float] = []
    monkeypatch.setattr(QueueManager, "_wake_in", lambda _, seconds: alarms.append(seconds))
    return alarms


@pytest.mark.parametrize(("pause", "expected"), [(3.5, [3.5]), (None, [])])
async def test_a_worker_without_a_job_is_woken_when_the_next_one_is_due(
    alarms: list[float], pause: float | None, expected: list[float]
) -> None:
    own, database = managed(outages=0)
    database.pause = pause
    assert await own.fetch_job(None, 7) is None
    assert alarms == expected


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("The database"),
        psycopg.errors.UniqueViolation("the lock index"),
        psycopg.errors.ForeignKeyViolation("the worker was removed"),
    ],
)
async def test_after_a_fetch_that_failed_the_worker_is_woken_soon(alarms: list[float], error: Exception) -> None:
    own, database = managed(outages=1)
    database.error = error
    assert await own.fetch_job(None, 7) is None
    assert alarms in ([manager.RETRY_SECONDS], [manager.MIN_PAUSE_SECONDS])


async def test_a_worker_that_is_woken_while_it_finds_nothing_looks_again() -> None:
    """procrastinate forgets what woke it meanwhile."""
    own, database = managed(outages=0)
    wakes = iter([True, True, False])
    database.during = lambda: own._wake() if next(wakes) else None
    assert await own.fetch_job(None, 7) is None
    assert database.ran == [manager.FETCH] * 3


@pytest.mark.parametrize("turns_wait", [True, False])
async def test_the_end_of_a_job_wakes_a_worker_for_which_turns_wait(turns_wait: bool) -> None:
    """procrastinate itself does not look for jobs after the end of one."""
    own, database = managed(outages=0)
    database.turns_wait = turns_wait
    assert await own.fetch_job(None, 7) is None
    own.record(1, DONE)
    await own.finish_job(JOB, Status.SUCCEEDED, False)
    assert own._woken.is_set() == turns_wait


async def test_of_two_alarms_the_later_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "MIN_PAUSE_SECONDS", 0.0)
    own, _ = managed(outages=0)
    own._wake_in(60)
    own._wake_in(-1)
    async with asyncio.timeout(10):
        await own._woken.wait()


async def test_lost_jobs_are_handed_back_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first fetch that is answered, and by those after a pause."""
    own, database = managed(outages=1)
    seconds = iter([0.0, 0.5, 0.9, 1.4, 1.5])
    monkeypatch.setattr(manager, "monotonic", lambda: next(seconds))
    for _ in range(5):
        await own.fetch_job(None, 7)
    assert [is_time for _, is_time, *_ in database.params] == [True, False, False, True]
