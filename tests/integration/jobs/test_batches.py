"""A worker takes as many jobs as can begin, and writes several ends, by one statement each."""

from datetime import UTC, datetime, timedelta

from procrastinate.jobs import Job as QueuedJob
from procrastinate.jobs import Status as QueueStatus

from infra.jobs.ends import end_tries
from infra.jobs.manager import QueueManager
from infra.jobs.retry import DONE, Outcome, Status
from tests.support.jobs import Greet, GreetInTurn, GreetUrgently, OpenedJobs
from tests.support.stores import rows

JOBS = "SELECT status::text, attempts, args ? 'sealed' FROM jobs.procrastinate_jobs ORDER BY id"
FAILED = Outcome(Status.WAITING, error="ValueError")


async def taken(manager: QueueManager, number: int) -> list[QueuedJob]:
    """Fetch so often. Returns the jobs."""
    worker_id = manager.worker_id or await manager.register_worker()
    jobs = [await manager.fetch_job(None, worker_id) for _ in range(number)]
    return [job for job in jobs if job is not None]


async def test_as_many_jobs_as_can_begin_are_taken_at_once_in_their_order(jobs: OpenedJobs) -> None:
    late = datetime.now(UTC) + timedelta(hours=1)
    await jobs.queue.enqueue(GreetUrgently(number=1), at=late)
    await jobs.queue.enqueue(*[Greet(number=number) for number in (2, 3, 4)], GreetUrgently(number=5))
    own = QueueManager(jobs.access, "default", concurrency=3)
    [first] = await taken(own, 1)
    assert jobs.statuses() == ["todo", "doing", "doing", "todo", "doing"]
    assert [job.id for job in [first, *await taken(own, 2)]] == [5, 2, 3]


async def test_a_place_that_becomes_free_is_filled_and_no_more(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*[Greet(number=number) for number in range(4)])
    own = QueueManager(jobs.access, "default", concurrency=2)
    first, _ = await taken(own, 2)
    own.record(1, DONE)
    await own.finish_job(first, QueueStatus.SUCCEEDED, False)
    assert [job.id for job in await taken(own, 1)] == [3]
    assert jobs.statuses() == ["succeeded", "doing", "doing", "todo"]


async def test_of_jobs_with_the_same_lock_one_is_taken(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(GreetInTurn(), GreetInTurn(number=2), Greet(), GreetInTurn(number=3))
    own = QueueManager(jobs.access, "default", concurrency=4)
    assert [job.id for job in await taken(own, 4)] == [1, 3]


async def test_two_workers_share_the_jobs(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*[Greet(number=number) for number in range(6)])
    first, second = (QueueManager(jobs.access, "default", concurrency=3) for _ in range(2))
    assert [job.id for job in await taken(first, 3) + await taken(second, 3)] == [1, 2, 3, 4, 5, 6]


async def test_jobs_that_were_taken_and_not_begun_are_handed_back(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*[Greet(number=number) for number in range(3)])
    own = QueueManager(jobs.access, "default", concurrency=3)
    await taken(own, 1)
    await own.unregister_worker(own.worker_id or 0)
    assert rows(jobs.admin_url, JOBS) == [("todo", 0, True)] * 3


async def test_each_try_in_a_statement_has_an_end_of_its_own(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*[Greet(number=number) for number in range(4)])
    done, failed, cancelled, lost = await taken(QueueManager(jobs.access, "default", concurrency=4), 4)
    rows(jobs.admin_url, "SELECT jobs.procrastinate_cancel_job_v1(3, true, false)")
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET worker_id = NULL WHERE id = 4")
    tries = [(done, DONE), (failed, FAILED), (cancelled, FAILED), (lost, DONE)]
    assert await end_tries(jobs.access.database, tries) == {1, 2, 3}
    assert rows(jobs.admin_url, JOBS) == [
        ("succeeded", 1, False),
        ("todo", 1, True),
        ("aborted", 1, False),
        ("doing", 0, True),
    ]
    assert jobs.errors() == [(1, "ValueError", None)] * 2


async def test_the_last_errors_of_each_job_in_a_statement_are_kept(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(Greet(), Greet(number=2))
    own = QueueManager(jobs.access, "default", concurrency=2)
    for _ in range(12):
        tries = await taken(own, 2)
        for job in tries:
            own.record(job.id or 0, FAILED)
        await end_tries(jobs.access.database, [(job, FAILED) for job in tries])
        for job in tries:
            await own.finish_job(job, QueueStatus.FAILED, False)
    assert [number for number, _, _ in jobs.errors()] == [number for number in range(3, 13) for _ in range(2)]
