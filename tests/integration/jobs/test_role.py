"""`palimpsest worker` as a process: it performs jobs, stops when asked, and is replaced when it is killed."""

from pathlib import Path

from infra.jobs.housekeeping import CutSecrets, PurgeJobs
from infra.settings.jobs import DEFAULT_CONCURRENCY
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
