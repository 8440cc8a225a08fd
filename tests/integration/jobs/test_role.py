"""`palimpsest worker` as a process: it performs jobs, stops when asked, and is replaced when it is killed."""

import asyncio
from pathlib import Path

from infra.jobs.housekeeping import CutSecrets, PurgeJobs
from infra.settings.jobs import DEFAULT_CONCURRENCY
from tests.support.door_worker import Door, WaitAtDoor, working
from tests.support.jobs import OpenedJobs
from tests.support.roles import running
from tests.support.servers import Database
from tests.support.stores import rows
from tests.support.waiting import until

WORKERS = "SELECT queue FROM jobs.worker_queues ORDER BY queue"
LOSE = """
UPDATE jobs.procrastinate_jobs SET status = 'doing', worker_id = (SELECT max(id) FROM jobs.procrastinate_workers)
WHERE id = (SELECT max(id) FROM jobs.procrastinate_jobs) RETURNING id
"""
STATUS = "SELECT status::text FROM jobs.procrastinate_jobs WHERE id = %s"
WAITERS = """
SELECT status::text, attempts FROM jobs.procrastinate_jobs WHERE args ->> 'kind' = 'wait_at_door' ORDER BY id
"""
FAILED_TRIES = "SELECT try, error, reason FROM jobs.job_errors WHERE job_id = %s ORDER BY id"


async def test_a_worker_performs_jobs_and_stops_without_a_trace(
    jobs: OpenedJobs, database: Database, tmp_path: Path
) -> None:
    await jobs.queue.enqueue(PurgeJobs())
    with running(database, None, tmp_path, "worker") as (_, [worker]):
        await until(lambda: "succeeded" in jobs.statuses())
        assert rows(database.admin_url, WORKERS) == [(queue,) for queue in sorted(DEFAULT_CONCURRENCY)]
        worker.stop()
        assert rows(database.admin_url, WORKERS) == []
        await jobs.queue.enqueue(CutSecrets())
        assert jobs.statuses()[-1] == "todo"
        worker.start()
        await until(lambda: "todo" not in jobs.statuses())


async def test_a_second_worker_takes_over_what_a_killed_one_had(
    jobs: OpenedJobs, database: Database, tmp_path: Path
) -> None:
    with running(database, None, tmp_path, "worker") as (_, [worker]):
        await until(lambda: len(rows(database.admin_url, WORKERS)) == len(DEFAULT_CONCURRENCY))
        worker.kill()
        await jobs.queue.enqueue(PurgeJobs())
        # Its schedules may have enqueued other jobs; one of them fails, as without a projector there is no read model.
        [(job_id,)] = rows(database.admin_url, LOSE)
        worker.start()
        await until(lambda: rows(database.admin_url, STATUS, job_id) == [("succeeded",)])
        lost = (1, "WorkerLost", "the process that performed it has ended or hangs")
        assert rows(database.admin_url, FAILED_TRIES, job_id) == [lost]


async def test_the_job_of_a_killed_worker_begins_in_another_process_that_runs(
    jobs: OpenedJobs, database: Database, tmp_path: Path
) -> None:
    """With the ordinary times: `tests/unit/jobs/test_stalled.py` says that they end within 15 seconds."""
    door = Door(tmp_path)
    with working(database, tmp_path, 2) as workers:
        await until(lambda: len(rows(database.admin_url, WORKERS)) == 2 * len(DEFAULT_CONCURRENCY))
        await jobs.queue.enqueue(WaitAtDoor(folder=str(tmp_path)))
        await until(door.arrivals)
        first, other = sorted(workers, key=lambda worker: worker.pid not in door.arrivals())
        killed, runs = first.pid, other.pid
        first.kill()
        await until(lambda: len(door.arrivals()) == 2)
        door.open()
        await until(lambda: rows(database.admin_url, WAITERS) == [("succeeded", 2)])
    assert door.arrivals() == [killed, runs]


async def test_a_worker_that_is_asked_to_stop_ends_its_job_and_begins_no_other(
    jobs: OpenedJobs, database: Database, tmp_path: Path
) -> None:
    door = Door(tmp_path)
    with working(database, tmp_path) as [worker]:
        await jobs.queue.enqueue(WaitAtDoor(folder=str(tmp_path)))
        await until(door.arrivals)
        stopping = asyncio.create_task(asyncio.to_thread(worker.stop))
        await until(lambda: rows(database.admin_url, WORKERS) == [("default",)])
        await jobs.queue.enqueue(WaitAtDoor(folder=str(tmp_path)))
        door.open()
        assert await stopping == 0
    assert rows(database.admin_url, WAITERS) == [("succeeded", 1), ("todo", 0)]
    assert rows(database.admin_url, WORKERS) == []


async def test_a_job_that_does_not_end_within_the_grace_is_handed_back_and_begins_elsewhere(
    jobs: OpenedJobs, database: Database, tmp_path: Path
) -> None:
    door = Door(tmp_path)
    await jobs.queue.enqueue(WaitAtDoor(folder=str(tmp_path)))
    with working(database, tmp_path, GRACE="0.2") as [worker]:
        await until(door.arrivals)
        assert await asyncio.to_thread(worker.stop) == 0
    assert rows(database.admin_url, WAITERS) == [("todo", 0)]
    assert rows(database.admin_url, WORKERS) == []
    with working(database, tmp_path):
        await until(lambda: len(door.arrivals()) == 2)
        door.open()
        await until(lambda: rows(database.admin_url, WAITERS) == [("succeeded", 1)])
