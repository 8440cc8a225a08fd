"""A job is handed back when the reply to its fetch is lost: its worker lives, but does not perform it."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from procrastinate.jobs import Status as QueueStatus
from psycopg.rows import AsyncRowFactory

from infra.jobs import manager
from infra.jobs.manager import QueueAccess, QueueManager
from infra.jobs.retry import Outcome, Status
from infra.postgres.connect import create_pool
from infra.postgres.database import Database
from tests.support.jobs import Greet, OpenedJobs
from tests.support.servers import Database as DatabaseForTests
from tests.support.stores import rows

TAKE = "SELECT FROM jobs.fetch_job('default', %s)"
JOBS = "SELECT status::text, args ? 'sealed' FROM jobs.procrastinate_jobs ORDER BY id"
AGAIN_AT_ONCE = Outcome(Status.WAITING, error="ValueError")


class LosingDatabase(Database):
    """It runs each statement, and loses the replies to the next `losses` of them, as a cut connection does."""

    losses = 0

    async def _fetch(
        self, query: str, params: Any, row_factory: AsyncRowFactory[Any], *more: Any
    ) -> tuple[list[str], list[Any]]:
        reply = await super()._fetch(query, params, row_factory, *more)
        if self.losses > 0:
            self.losses -= 1
            raise psycopg.OperationalError("the connection is lost")
        return reply


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "HAND_BACK_SECONDS", 0.0)


@pytest.fixture
async def losing(database: DatabaseForTests) -> AsyncIterator[LosingDatabase]:
    async with create_pool(database.part_url("worker"), 2) as pool:
        yield LosingDatabase(pool)


@pytest.fixture
def own(losing: LosingDatabase) -> QueueManager:
    return QueueManager(QueueAccess(losing, ""), "default")


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("losses", [1, 2], ids=["the_statement_is_repeated", "the_fetch_fails"])
async def test_a_job_whose_fetch_was_not_answered_is_taken_by_a_later_fetch(
    jobs: OpenedJobs, losing: LosingDatabase, losses: int, concurrency: int
) -> None:
    own = QueueManager(QueueAccess(losing, ""), "default", concurrency)
    await jobs.queue.enqueue(Greet(), Greet(number=2), Greet(number=3))
    worker_id = await own.register_worker()
    losing.losses = losses
    taken = [await own.fetch_job(None, worker_id) for _ in range(losses + 3)]
    assert sorted(job.id for job in taken if job is not None and job.id is not None) == [1, 2, 3]


async def test_a_job_that_a_worker_holds_is_not_handed_back(jobs: OpenedJobs, own: QueueManager) -> None:
    await jobs.queue.enqueue(Greet())
    worker_id = await own.register_worker()
    assert await own.fetch_job(None, worker_id) is not None
    assert await own.fetch_job(None, worker_id) is None
    assert jobs.statuses() == ["doing"]


async def test_the_end_of_an_earlier_try_does_not_hand_back_the_next_one(jobs: OpenedJobs, own: QueueManager) -> None:
    """The worker may fetch a job again before it knows that its earlier try has been written."""
    await jobs.queue.enqueue(Greet())
    worker_id = await own.register_worker()
    first = await own.fetch_job(None, worker_id)
    assert first is not None
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET status = 'todo', attempts = 1, worker_id = NULL")
    assert await own.fetch_job(None, worker_id) is not None
    own.record(1, AGAIN_AT_ONCE)
    await own.finish_job(first, QueueStatus.FAILED, False)
    assert await own.fetch_job(None, worker_id) is None
    assert jobs.statuses() == ["doing"]


async def test_a_cancelled_job_whose_fetch_was_not_answered_ends_without_its_sealed_fields(
    jobs: OpenedJobs, own: QueueManager
) -> None:
    await jobs.queue.enqueue(Greet())
    worker_id = await own.register_worker()
    rows(jobs.admin_url, TAKE, worker_id)
    rows(jobs.admin_url, "SELECT jobs.procrastinate_cancel_job_v1(1, true, false)")
    assert await own.fetch_job(None, worker_id) is None
    assert rows(jobs.admin_url, JOBS) == [("aborted", False)]
