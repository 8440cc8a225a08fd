"""Jobs of lost workers are performed by others, and outages of the database lose nothing."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from application.ports import Unavailable
from infra.jobs import heartbeats, manager, stalled, worker
from infra.jobs.ends import end_try
from infra.jobs.retry import DONE
from infra.jobs.stalled import StalledJobs
from infra.postgres.database import DEADLINE_SECONDS
from tests.support.jobs import Greet, OpenedJobs, open_jobs, register
from tests.support.servers import Database, PostgresForTests
from tests.support.stores import rows
from tests.support.waiting import until

TAKE = "SELECT id FROM jobs.fetch_job('default', %s)"
BEFORE_ORDINARY_DEADLINE = DEADLINE_SECONDS - 2
JOBS = "SELECT status::text, attempts FROM jobs.procrastinate_jobs ORDER BY id"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalled, "LOOK_SECONDS", 0.05)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look finds all workers lost. For tests without a running worker: how long it takes needs no server."""
    monkeypatch.setattr(stalled, "STALL_SECONDS", 0.0)


async def taken(jobs: OpenedJobs) -> int:
    """Enqueue a job, and let a worker take it that is never heard of again. Returns the id of the worker."""
    await jobs.queue.enqueue(Greet())
    lost = await manager.QueueManager(jobs.access, "default").register_worker()
    rows(jobs.admin_url, TAKE, lost)
    return lost


@pytest.mark.usefixtures("at_once")
async def test_the_job_of_a_lost_worker_is_tried_again_and_counts_as_a_try(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)
    await taken(jobs)
    await StalledJobs(jobs.access.database).look()
    assert rows(jobs.admin_url, JOBS) == [("todo", 1)]
    assert jobs.errors() == [(1, "WorkerLost", "the process that performed it has ended or hangs")]
    assert rows(jobs.admin_url, "SELECT FROM jobs.procrastinate_workers") == []


async def test_what_a_removed_worker_has_left_is_taken_over(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)
    lost = await taken(jobs)
    rows(jobs.admin_url, "DELETE FROM jobs.procrastinate_workers WHERE id = %s", lost)
    await manager.QueueManager(jobs.access, "default").register_worker()
    await StalledJobs(jobs.access.database).look()
    assert jobs.statuses() == ["todo"]


@pytest.mark.usefixtures("at_once")
async def test_a_job_that_loses_its_worker_again_and_again_is_dead(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)
    await taken(jobs)
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET attempts = 2")
    await StalledJobs(jobs.access.database).look()
    assert jobs.statuses() == ["failed"]


@pytest.mark.usefixtures("at_once")
async def test_a_job_to_be_cancelled_is_not_tried_again(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)
    await taken(jobs)
    rows(jobs.admin_url, "SELECT jobs.procrastinate_cancel_job_v1(1, true, false)")
    await StalledJobs(jobs.access.database).look()
    assert jobs.statuses() == ["aborted"]


@pytest.mark.usefixtures("at_once")
async def test_a_worker_that_was_taken_for_dead_does_not_end_the_job_of_another(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)
    first, second = (manager.QueueManager(jobs.access, "default") for _ in range(2))
    await jobs.queue.enqueue(Greet())
    earlier = await first.fetch_job(None, await first.register_worker())
    assert earlier is not None
    await StalledJobs(jobs.access.database).look()
    assert await is_lost(jobs, first)
    assert await first.fetch_job(None, earlier.worker_id or 0) is None
    later = await second.fetch_job(None, await second.register_worker())
    assert later is not None
    assert not await end_try(jobs.access.database, earlier, DONE)
    assert jobs.statuses() == ["doing"]
    assert await end_try(jobs.access.database, later, DONE)


async def test_a_worker_that_was_taken_for_dead_stops_its_jobs_and_starts_again(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    async def greet(job: Greet) -> None:
        started.append("job")
        if len(started) == 1:
            try:
                await asyncio.Event().wait()
            finally:
                started.append("stopped")

    register(monkeypatch, greet)
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(worker, "GRACE_SECONDS", 600.0)
    async with jobs.working():
        await jobs.queue.enqueue(Greet())
        await until(lambda: started)
        rows(jobs.admin_url, "DELETE FROM jobs.procrastinate_workers")
        await until(lambda: jobs.statuses() == ["succeeded"])
    assert sorted(started) == ["job", "job", "stopped"]


async def test_a_heartbeat_that_gets_no_answer_ends_long_before_its_worker_is_taken_for_dead(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.1)
    own = manager.QueueManager(jobs.access, "default")
    await own.register_worker()
    with psycopg.connect(jobs.admin_url) as other:
        other.execute("SELECT FROM jobs.procrastinate_workers FOR UPDATE")
        with pytest.raises(Unavailable):
            async with asyncio.timeout(BEFORE_ORDINARY_DEADLINE):
                await is_lost(jobs, own)
    assert not await is_lost(jobs, own)


async def is_lost(jobs: OpenedJobs, worker: manager.QueueManager) -> bool:
    """Beat once. Returns whether the worker was taken for dead."""
    lost: list[None] = []
    own = heartbeats.Heartbeats(jobs.access.database)
    own.begin(worker, lambda: lost.append(None))
    await own.beat()
    return bool(lost)


@pytest.fixture
async def outage(own_postgres: PostgresForTests) -> AsyncIterator[OpenedJobs]:
    """The queue on a server that can be killed."""
    async with open_jobs(Database("palimpsest", own_postgres.admin_url, own_postgres.app_url)) as opened:
        yield opened


async def test_an_outage_of_the_database_neither_stops_nor_repeats_a_running_job(
    outage: OpenedJobs, own_postgres: PostgresForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, may_end = asyncio.Event(), asyncio.Event()
    performed: list[int] = []

    async def greet(job: Greet) -> None:
        performed.append(job.number)
        started.set()
        await may_end.wait()

    register(monkeypatch, greet)
    monkeypatch.setattr(stalled, "STALL_SECONDS", 5.0)
    monkeypatch.setattr(heartbeats, "HEARTBEAT_SECONDS", 0.2)
    async with outage.working():
        await outage.queue.enqueue(Greet())
        await started.wait()
        own_postgres.kill()
        may_end.set()
        await asyncio.to_thread(own_postgres.start)
        await until(lambda: outage.statuses() == ["succeeded"])
        await outage.queue.enqueue(Greet(number=2))
        await until(lambda: outage.statuses() == ["succeeded"] * 2)
    assert performed == [1, 2]


async def test_a_worker_that_is_unregistered_hands_back_what_it_has_not_begun(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(Greet(), Greet(number=2))
    own = manager.QueueManager(jobs.access, "default")
    worker_id = await own.register_worker()
    for _ in range(2):
        await own.fetch_job(None, worker_id)
    rows(jobs.admin_url, "SELECT jobs.procrastinate_cancel_job_v1(2, true, false)")
    await own.unregister_worker(worker_id)
    assert rows(jobs.admin_url, JOBS) == [("todo", 0), ("aborted", 0)]
