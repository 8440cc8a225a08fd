"""Workers perform jobs: once, or again after a failure, until they are done or dead."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from application.jobs import Job, JobFailed, Retries, ScheduledJob
from application.ports import Unavailable
from domain.kernel import NotFound
from infra.jobs import worker
from infra.jobs.declarations import WrongDeclaration
from infra.jobs.manager import QueueManager
from tests.support.jobs import Greet, GreetByMail, GreetInTurn, GreetShortly, GreetUrgently, OpenedJobs, register
from tests.support.stores import disconnect, rows
from tests.support.waiting import until


async def test_a_job_is_performed_with_its_fields_and_its_ports(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    greeted: list[str] = []

    async def greet(job: Greet, greeted: list[str]) -> None:
        greeted.append(f"{job.name}, {job.number}")

    register(monkeypatch, greet)
    async with jobs.working({"greeted": greeted}):
        await jobs.queue.enqueue(Greet(number=7))
        await until(lambda: jobs.statuses() == ["succeeded"])
    assert greeted == ["Ana Canary, 7"]


async def test_personal_fields_are_not_readable_in_the_database(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    await jobs.queue.enqueue(Greet())
    [(kept,)] = rows(jobs.admin_url, "SELECT job::text FROM jobs.procrastinate_jobs AS job")
    assert "greet:1" in kept
    assert "Canary" not in kept


async def test_a_failed_job_is_tried_again_and_its_errors_are_kept(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    async def greet(job: Greet) -> None:
        tries.append(job.number)
        if len(tries) < 3:
            raise ValueError("Ana Canary")

    register(monkeypatch, greet)
    async with jobs.working():
        await jobs.queue.enqueue(Greet())
        await until(lambda: jobs.statuses() == ["succeeded"])
    assert jobs.errors() == [(1, "ValueError", None), (2, "ValueError", None)]


async def test_the_last_ten_errors_of_a_job_are_kept(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(job: Greet) -> None:
        raise JobFailed("the door is walled up")

    register(monkeypatch, greet)
    await jobs.queue.enqueue(Greet())
    for number in range(12):
        rows(jobs.admin_url, "INSERT INTO jobs.job_errors (job_id, try, error) VALUES (1, %s, 'ValueError')", number)
    async with jobs.working():
        await until(lambda: jobs.statuses() == ["failed"])
    assert [(number, error) for number, error, _ in jobs.errors()] == [
        *((number, "ValueError") for number in range(3, 12)),
        (1, "JobFailed"),
    ]


async def test_a_job_is_dead_after_its_last_try(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(job: Greet) -> None:
        raise Unavailable("The door", retry_after=0)

    register(monkeypatch, greet)
    async with jobs.working():
        await jobs.queue.enqueue(Greet())
        await until(lambda: jobs.statuses() == ["failed"])
    assert [number for number, *_ in jobs.errors()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (NotFound("There is no such door."), (1, "not_found", None)),
        (JobFailed("the door is walled up"), (1, "JobFailed", "the door is walled up")),
    ],
    ids=["refusal", "job_failed"],
)
async def test_a_final_failure_is_not_tried_again(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch, error: Exception, kept: tuple[int, str, str | None]
) -> None:
    async def greet(job: Greet) -> None:
        raise error

    register(monkeypatch, greet)
    async with jobs.working():
        await jobs.queue.enqueue(Greet())
        await until(lambda: jobs.statuses() == ["failed"])
    assert jobs.errors() == [kept]


async def test_a_try_that_takes_too_long_has_failed(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(job: GreetShortly) -> None:
        await asyncio.Event().wait()

    register(monkeypatch, greet)
    async with jobs.working():
        await jobs.queue.enqueue(GreetShortly())
        await until(lambda: jobs.statuses() == ["failed"])
    assert jobs.errors() == [(number, "TimeoutError", None) for number in (1, 2, 3)]


async def test_a_job_past_its_deadline_is_dead_without_a_try(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    performed: list[Job] = []

    async def greet(job: Greet) -> None:
        performed.append(job)

    register(monkeypatch, greet)
    await jobs.queue.enqueue(Greet(), at=datetime.now(UTC) - timedelta(days=2))
    async with jobs.working():
        await until(lambda: jobs.statuses() == ["failed"])
    assert performed == []
    assert [error for _, error, _ in jobs.errors()] == ["DeadlinePassed"]


async def test_jobs_with_the_same_lock_are_performed_one_after_the_other(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, order, most = [0], [], [0]

    async def greet(job: GreetInTurn) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await asyncio.sleep(0.01)
        order.append(job.number)
        running[0] -= 1

    register(monkeypatch, greet)
    async with jobs.working():
        await jobs.queue.enqueue(*[GreetInTurn(number=number) for number in range(5)])
        await until(lambda: len(order) == 5)
    assert (order, most) == ([0, 1, 2, 3, 4], [1])


async def test_what_is_no_job_of_ours_is_given_up_or_left_alone(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)
    await jobs.queue.enqueue(*[Greet(number=number) for number in (1, 2, 3, 4)])
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET task_name = 'foreign' WHERE id = 1")
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET args = args - 'due' WHERE id = 2")
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET args = '{}' WHERE id = 3")
    async with jobs.working():
        await until(lambda: jobs.statuses() == ["todo", "failed", "failed", "succeeded"])
    assert jobs.errors() == [(1, "BrokenJob", "what is kept of it is not a job")] * 2


async def test_jobs_of_higher_priority_come_first(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    async def greet(job: Greet) -> None:
        order.append("greet")

    async def greet_urgently(job: GreetUrgently) -> None:
        order.append("greet urgently")

    register(monkeypatch, greet)
    register(monkeypatch, greet_urgently)
    await jobs.queue.enqueue(Greet(), GreetUrgently())
    async with jobs.working(queues={"default": 1}):
        await until(lambda: len(order) == 2)
    assert order == ["greet urgently", "greet"]


async def test_slow_jobs_of_one_queue_do_not_hold_up_another(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = asyncio.Event()

    async def greet(job: Greet) -> None:
        await may_end.wait()

    async def greet_by_mail(job: GreetByMail) -> None:
        may_end.set()

    register(monkeypatch, greet)
    register(monkeypatch, greet_by_mail)
    await jobs.queue.enqueue(Greet(), Greet(number=2), GreetByMail())
    async with jobs.working(queues={"default": 1, "mail": 1}):
        await until(lambda: jobs.statuses() == ["succeeded"] * 3)


async def test_a_running_job_is_cancelled(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    started = asyncio.Event()

    async def greet(job: Greet) -> None:
        started.set()
        await asyncio.Event().wait()

    register(monkeypatch, greet)
    async with jobs.working():
        await jobs.queue.enqueue(Greet())
        await started.wait()
        rows(jobs.admin_url, "SELECT jobs.procrastinate_cancel_job_v1(1, true, false)")
        await until(lambda: jobs.statuses() == ["aborted"])
    assert jobs.errors() == []


@pytest.fixture
def never_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers only look when they are woken."""
    monkeypatch.setattr(worker, "POLL_SECONDS", 600.0)


@pytest.mark.usefixtures("never_polling")
async def test_a_delayed_job_is_performed_when_its_time_has_come(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(job: Greet) -> None:
        assert datetime.now(UTC) >= at

    register(monkeypatch, greet)
    at = datetime.now(UTC) + timedelta(seconds=1)
    await jobs.queue.enqueue(Greet(), at=at)
    async with jobs.working():
        await until(lambda: jobs.statuses() == ["succeeded"])


WAIT_AGAIN = """
UPDATE jobs.procrastinate_jobs SET status = 'todo', scheduled_at = now() + make_interval(secs => %s) WHERE id = 1
"""


@pytest.mark.usefixtures("never_polling")
@pytest.mark.parametrize("pause", [0.0, 0.1])
async def test_a_job_that_waits_again_wakes_the_workers(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    performed: list[int] = []

    async def greet(job: Greet) -> None:
        performed.append(job.number)

    register(monkeypatch, greet)
    await jobs.queue.enqueue(Greet())
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET status = 'failed'")
    async with jobs.working():
        await jobs.queue.enqueue(Greet(number=2))
        await until(lambda: performed == [2])
        await asyncio.sleep(0.2)
        rows(jobs.admin_url, WAIT_AGAIN, pause)
        await until(lambda: performed == [2, 1])


@pytest.mark.usefixtures("never_polling")
async def test_a_job_that_waits_for_a_lock_is_performed_when_another_process_has_freed_it(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(job: Greet) -> None: ...
    async def greet_in_turn(job: GreetInTurn) -> None: ...

    register(monkeypatch, greet)
    register(monkeypatch, greet_in_turn)
    await jobs.queue.enqueue(GreetInTurn(), GreetInTurn(number=2), Greet())
    other = await QueueManager(jobs.access, "default").register_worker()
    rows(jobs.admin_url, "SELECT FROM jobs.fetch_job('default', %s)", other)
    async with jobs.working():
        await until(lambda: jobs.statuses() == ["doing", "todo", "succeeded"])
        await asyncio.sleep(0.2)
        rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET status = 'failed' WHERE id = 1")
        await until(lambda: jobs.statuses() == ["failed", "succeeded", "succeeded"])


@pytest.mark.usefixtures("never_polling")
async def test_a_worker_looks_again_after_its_connection_was_lost(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notification may have been lost with it."""

    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)
    async with jobs.working():
        await jobs.queue.enqueue(Greet())
        await until(lambda: jobs.statuses() == ["succeeded"])
        await asyncio.sleep(0.2)
        with psycopg.connect(jobs.admin_url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")  # no trigger says that it waits again
            connection.execute("UPDATE jobs.procrastinate_jobs SET status = 'todo'")
        disconnect(jobs.admin_url, statement="LISTEN%")
        await until(lambda: jobs.statuses() == ["succeeded"])


async def test_a_stopping_worker_lets_its_jobs_end(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    started, may_end = asyncio.Event(), asyncio.Event()

    async def greet(job: Greet) -> None:
        started.set()
        await may_end.wait()

    register(monkeypatch, greet)
    async with jobs.working() as work:
        await jobs.queue.enqueue(Greet())
        await started.wait()
        work.cancel()
        await jobs.queue.enqueue(Greet(number=2))
        may_end.set()
    assert jobs.statuses() == ["succeeded", "todo"]
    assert rows(jobs.admin_url, "SELECT FROM jobs.procrastinate_workers") == []


async def test_a_stopping_worker_hands_back_what_does_not_end(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = asyncio.Event()

    async def greet(job: Greet) -> None:
        started.set()
        await asyncio.Event().wait()

    register(monkeypatch, greet)
    monkeypatch.setattr(worker, "GRACE_SECONDS", 0.2)
    async with jobs.working():
        await jobs.queue.enqueue(Greet())
        await started.wait()
    assert jobs.statuses() == ["todo"]
    assert rows(jobs.admin_url, "SELECT attempts FROM jobs.procrastinate_jobs") == [(0,)]


class GreetNowhere(Greet, frozen=True, kw_only=True):
    kind = "greet_nowhere"
    queue = "nowhere"


class GreetOften(ScheduledJob, frozen=True, kw_only=True):
    kind = "greet_often"
    every = "* * * * * *"
    retries = Retries()


class GreetDaily(ScheduledJob, frozen=True, kw_only=True):
    kind = "greet_daily"
    every = "0 3 * * *"
    number: int = 1


async def test_kinds_that_cannot_be_performed_are_refused_at_the_start(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(job: Greet, whistle: object) -> None: ...
    async def greet_nowhere(job: GreetNowhere) -> None: ...
    async def greet_often(job: GreetOften) -> None: ...
    async def greet_daily(job: GreetDaily) -> None: ...

    for performer in (greet, greet_nowhere, greet_often, greet_daily):
        register(monkeypatch, performer)
    with pytest.RaisesGroup(WrongDeclaration) as caught:
        async with jobs.working() as work:
            await asyncio.wait([work])
    message = str(caught.value.exceptions[0])
    assert "greet: its performer wants a port 'whistle'" in message
    assert "greet_nowhere: its queue 'nowhere' is not served" in message
    assert "greet_often: '* * * * * *' is not a cron expression" in message
    assert "greet_daily: it has a schedule, so it can have no fields" in message
