"""An erasure ends the jobs about whom it erases: their sealed fields are gone, wherever the jobs are in their lives."""

from typing import ClassVar
from uuid import UUID, uuid4

import pytest

from application.jobs import Confidential, Job
from infra.jobs import dead_letters
from infra.jobs.ends import end_try
from infra.jobs.inspection import JobStatus, list_jobs
from infra.jobs.manager import QueueManager
from infra.jobs.retry import DONE, Outcome, Status
from infra.postgres.connect import connect
from infra.postgres.migrate import MIGRATIONS
from tests.support.jobs import OpenedJobs, register
from tests.support.stores import rows

DEAD = Outcome(Status.DEAD, error="JobFailed")
LATER = Outcome(Status.WAITING)
SEALED = "SELECT id FROM jobs.procrastinate_jobs WHERE args ? 'sealed' ORDER BY id"
ERASE_JOBS = "SELECT palimpsest.erase_jobs(%s::uuid[])"
ERASED_KEY = "INSERT INTO data_keys (subject_id, kek_id, erased_at, receipt) VALUES (%s, 'kek', now(), '')"
ADA, BOB = uuid4(), uuid4()


class Visit(Job, frozen=True, kw_only=True):
    """A job about a user and an address."""

    kind: ClassVar[str] = "visit"
    number: int
    user_id: UUID
    address_id: UUID
    name: Confidential[str] = "Ana Canary"

    @property
    def effect_key(self) -> str:
        return f"visit:{self.number}"

    @property
    def subjects(self) -> frozenset[UUID]:
        return frozenset({self.user_id, self.address_id})


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def visit(job: Visit) -> None: ...

    register(monkeypatch, visit)


def states(jobs: OpenedJobs) -> list[str]:
    """The states of all jobs, in their order."""
    with connect(jobs.admin_url) as connection:
        return [job.status for job in reversed(list_jobs(connection, None, [*JobStatus], 10))]


async def lived(jobs: OpenedJobs, subject: UUID) -> QueueManager:
    """Four jobs about a subject: done, dead, running, waiting."""
    await jobs.queue.enqueue(*[Visit(number=number, user_id=subject, address_id=uuid4()) for number in range(4)])
    worker = QueueManager(jobs.access, "default")
    worker_id = await worker.register_worker()
    for outcome in (DONE, DEAD, None):
        job = await worker.fetch_job(None, worker_id)
        assert job is not None
        assert outcome is None or await end_try(jobs.access.database, job, outcome)
    return worker


async def test_jobs_about_an_erased_subject_end_as_erased_with_nothing_sealed(jobs: OpenedJobs) -> None:
    worker = await lived(jobs, ADA)
    assert states(jobs) == ["done", "dead", "running", "waiting"]
    assert len(rows(jobs.admin_url, SEALED)) == 3
    rows(jobs.admin_url, ERASE_JOBS, [ADA])
    assert rows(jobs.admin_url, SEALED) == []
    assert states(jobs) == ["done", "erased", "cancelling", "erased"]
    assert worker.worker_id is not None
    await worker.unregister_worker(worker.worker_id)
    assert states(jobs) == ["done", "erased", "erased", "erased"]
    with connect(jobs.admin_url) as connection:
        assert dead_letters.retry(connection, kind="visit") == []


async def test_a_running_job_that_fails_after_the_erasure_is_not_tried_again(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(Visit(number=1, user_id=ADA, address_id=BOB))
    worker = QueueManager(jobs.access, "default")
    job = await worker.fetch_job(None, await worker.register_worker())
    assert job is not None
    rows(jobs.admin_url, ERASE_JOBS, [BOB])
    assert await end_try(jobs.access.database, job, LATER)
    assert states(jobs) == ["erased"]


async def test_jobs_about_others_stay(jobs: OpenedJobs) -> None:
    await lived(jobs, ADA)
    rows(jobs.admin_url, ERASE_JOBS, [BOB])
    assert len(rows(jobs.admin_url, SEALED)) == 3
    assert states(jobs) == ["done", "dead", "running", "waiting"]


async def test_a_job_about_a_user_who_was_erased_before_ends_at_once_with_nothing_sealed(jobs: OpenedJobs) -> None:
    ada = uuid4()
    rows(jobs.admin_url, ERASED_KEY, ada)
    await jobs.queue.enqueue(Visit(number=1, user_id=ada, address_id=BOB), Visit(number=2, user_id=BOB, address_id=BOB))
    assert states(jobs) == ["erased", "waiting"]
    assert len(rows(jobs.admin_url, SEALED)) == 1


async def test_a_job_about_an_address_that_is_used_again_after_its_erasure_stays(jobs: OpenedJobs) -> None:
    address = uuid4()
    rows(jobs.admin_url, ERASED_KEY, address)
    rows(jobs.admin_url, "INSERT INTO stored_events VALUES (%s, 1, 'address.erased', '', 1, now())", address)
    await jobs.queue.enqueue(Visit(number=1, user_id=BOB, address_id=address))
    assert states(jobs) == ["waiting"]


async def test_of_the_release_before_dead_jobs_are_discarded_and_others_get_their_subjects(jobs: OpenedJobs) -> None:
    await lived(jobs, ADA)
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET args = args - 'subjects'")
    rows(jobs.admin_url, "DROP INDEX jobs.sealed_jobs")
    rows(jobs.admin_url, (MIGRATIONS / "0020_subjects_of_jobs.sql").read_text())
    assert states(jobs) == ["done", "cancelled", "running", "waiting"]
    assert len(rows(jobs.admin_url, SEALED)) == 2
    rows(jobs.admin_url, ERASE_JOBS, [ADA])
    assert states(jobs) == ["done", "cancelled", "cancelling", "erased"]
    assert rows(jobs.admin_url, SEALED) == []
