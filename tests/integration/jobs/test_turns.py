"""Payers take turns: who has many jobs waiting delays another one by a few jobs, whatever happens to them."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, ClassVar

import psycopg
import pytest
from procrastinate.jobs import Job as QueuedJob

from application.jobs import Job, Turn
from infra.jobs import dead_letters, worker
from infra.jobs.manager import QueueManager
from infra.jobs.queue import PostgresJobQueue
from tests.support.jobs import Greet, OpenedJobs, register
from tests.support.stores import rows
from tests.support.waiting import until

MANY = 10_000


class GreetFor(Job, frozen=True, kw_only=True):
    """A job of a payer, for a resource."""

    kind: ClassVar[str] = "greet_for"
    payer: str
    number: int = 0
    resource: str = "swift"
    weight: int = 1
    quota: int | None = None

    @property
    def effect_key(self) -> str:
        return f"greet_for:{self.payer}:{self.number}"

    @property
    def lock(self) -> str:
        return self.effect_key

    @property
    def turn(self) -> Turn:
        return Turn(self.payer, self.resource, self.weight, self.quota)


TAKE = """
SELECT args -> 'fields' ->> 'payer', (args -> 'fields' ->> 'number')::int
FROM jobs.fetch_job('default', NULL, %s, %s) ORDER BY priority DESC, id
"""
END = "UPDATE jobs.procrastinate_jobs SET status = 'succeeded' WHERE status = 'doing'"
"""Ends all running jobs."""


def many(payer: str, number: int = 6, first: int = 0, **turn: Any) -> list[Job]:
    """Jobs of a payer. `turn`: the resource, the weight and the quota, if they are others."""
    return [GreetFor(payer=payer, number=first + each, **turn) for each in range(number)]


def taken(jobs: OpenedJobs, most: int = 1, most_of_payer: int | None = None) -> list[str]:
    """Take the next jobs. Returns payer and number of each."""
    return [f"{payer}{number}" for payer, number in rows(jobs.admin_url, TAKE, most, most_of_payer)]


def worked(jobs: OpenedJobs, number: int) -> str:
    """Take so many jobs, one after the other, and end each. Returns their payers."""
    payers = ""
    for _ in range(number):
        payers += "".join(each[0] for each in taken(jobs))
        rows(jobs.admin_url, END)
    return payers


async def test_payers_take_turns_and_each_keeps_the_order_of_its_jobs(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a"))
    await jobs.queue.enqueue(*many("b", 3))
    assert taken(jobs, 9) == ["a0", "a1", "b0", "a2", "b1", "a3", "b2", "a4", "a5"]


async def test_a_payer_who_comes_later_does_not_wait_for_the_jobs_of_a_busy_one(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 20))
    assert worked(jobs, 10) == "a" * 10
    await jobs.queue.enqueue(*many("b", 3))
    assert worked(jobs, 6) == "aababa"


async def test_newcomers_starve_nobody(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 2))
    began = ""
    for newcomer in "bcdefgh":
        await jobs.queue.enqueue(*many(newcomer, 1))
        began += worked(jobs, 1)
    assert began.count("a") == 2


async def test_a_payer_who_comes_while_jobs_run_waits_for_one_of_the_busy_one(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 20))
    assert taken(jobs, 3) == ["a0", "a1", "a2"]
    await jobs.queue.enqueue(*many("b", 3))
    assert taken(jobs, 4) == ["a3", "b0", "a4", "b1"]


async def test_a_long_job_of_before_does_not_bring_newcomers_forward(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 8))
    assert taken(jobs, 5) == ["a0", "a1", "a2", "a3", "a4"]
    rows(jobs.admin_url, END + " AND id > 1")
    await jobs.queue.enqueue(*many("b", 2), *many("c", 2))
    assert taken(jobs, 6) == ["a5", "b0", "c0", "a6", "b1", "c1"]


FAIL = "UPDATE jobs.procrastinate_jobs SET status = 'todo', attempts = 1, scheduled_at = now() WHERE status = 'doing'"
HAND_BACK = "UPDATE jobs.procrastinate_jobs SET status = 'todo', scheduled_at = now() WHERE status = 'doing'"


async def test_jobs_that_are_tried_again_come_after_those_of_their_payer(jobs: OpenedJobs) -> None:
    """After an outage thousands are tried again, which must not come before the job of a newcomer."""
    await jobs.queue.enqueue(*many("a", 8))
    assert len(taken(jobs, 6)) == 6
    rows(jobs.admin_url, FAIL)
    await jobs.queue.enqueue(*many("b", 1))
    assert taken(jobs, 5) == ["a6", "a7", "b0", "a0", "a1"]


async def test_a_job_that_was_handed_back_keeps_its_turn(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 4), *many("b", 1))
    assert taken(jobs, 3) == ["a0", "a1", "b0"]
    rows(jobs.admin_url, HAND_BACK)
    assert taken(jobs, 4) == ["a0", "a1", "b0", "a2"]


async def test_a_job_that_was_handed_back_with_a_late_turn_comes_with_newcomers(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 8))
    assert len(taken(jobs, 8)) == 8
    rows(jobs.admin_url, END + " AND id < 8")
    rows(jobs.admin_url, HAND_BACK.replace("now()", "now() + interval '1 minute'"))
    await jobs.queue.enqueue(*many("b", 3))
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET scheduled_at = now() WHERE scheduled_at IS NOT NULL")
    assert taken(jobs, 2) == ["b0", "a7"]


async def test_jobs_that_an_operator_lets_try_again_take_turns(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 3))
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET status = 'failed', attempts = 6")
    await jobs.queue.enqueue(*many("b", 3))
    with psycopg.connect(jobs.admin_url, autocommit=True) as connection:
        dead_letters.retry(connection, kind="greet_for")
    assert taken(jobs, 6) == ["b0", "a0", "b1", "a1", "b2", "a2"]


async def test_jobs_of_a_greater_weight_come_first_and_leave_places_to_the_others(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 20), *many("b", 20, weight=4))
    assert Counter(each[0] for each in taken(jobs, 10)) == {"b": 8, "a": 2}
    assert Counter(each[0] for each in taken(jobs, 5)) == {"b": 4, "a": 1}


async def test_resources_share_the_places(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 20), *many("b", 20, resource="small"), *many("c", 1, resource="large"))
    assert Counter(each[0] for each in taken(jobs, 9)) == {"a": 4, "b": 4, "c": 1}


async def test_the_last_places_of_a_worker_are_not_for_one_payer(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 20))
    own = QueueManager(jobs.access, "default", concurrency=4)
    worker_id = await own.register_worker()
    assert [job is not None for job in [await own.fetch_job(None, worker_id) for _ in range(4)]] == [True] * 3 + [False]
    await jobs.queue.enqueue(*many("b", 5))
    job = await own.fetch_job(None, worker_id)
    assert job is not None
    assert job.task_kwargs["payer"] == "b"


async def test_no_payer_runs_more_than_the_quota_of_a_lane_in_all_workers(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 5, quota=2), *many("b", 3, quota=2))
    assert taken(jobs, 1) == ["a0"]
    assert taken(jobs, 9) == ["a1", "b0", "b1"]
    assert taken(jobs, 9) == []
    rows(jobs.admin_url, END)
    assert taken(jobs, 9) == ["a2", "a3", "b2"]


async def test_a_payer_at_the_quota_holds_up_no_other(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 300, quota=2))
    assert taken(jobs, 9) == ["a0", "a1"]
    ended = " AND args ->> 'payer' = 'b'"
    for number in range(250):
        await jobs.queue.enqueue(*many("b", 1, number, quota=2))
        assert taken(jobs, 1) == [f"b{number}"]
        rows(jobs.admin_url, END + ended)


COPY_WITHOUT_LOCK = """
INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, args)
SELECT queue_name, task_name, args FROM jobs.procrastinate_jobs, generate_series(2, %s) WHERE status = 'todo'
"""
READ = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
WHERE schemaname = 'jobs' AND relname = 'procrastinate_jobs'
"""


@pytest.mark.parametrize("is_analysed", [False, True])
async def test_the_waiting_jobs_of_a_payer_at_the_quota_are_not_read(jobs: OpenedJobs, is_analysed: bool) -> None:
    await jobs.queue.enqueue(*many("a", 3, quota=2))
    assert taken(jobs, 2) == ["a0", "a1"]
    rows(jobs.admin_url, COPY_WITHOUT_LOCK, MANY)
    await jobs.queue.enqueue(*many("b", 3, quota=2))
    if is_analysed:
        rows(jobs.admin_url, "ANALYZE jobs.procrastinate_jobs")
    with psycopg.connect(jobs.admin_url) as connection:
        found = connection.execute(TAKE, [5, None]).fetchall()
        [(read,)] = connection.execute(READ).fetchall()
    assert found == [("b", 0), ("b", 1)]
    assert read < 100


async def test_of_more_payers_than_are_looked_at_each_has_a_turn(jobs: OpenedJobs) -> None:
    payers = {f"{number:02x}{'0' * 6}" for number in range(256)}
    await jobs.queue.enqueue(*[GreetFor(payer=payer, quota=1) for payer in sorted(payers)])
    took: set[str] = set()
    for _ in range(40):
        took |= {payer for payer, _ in rows(jobs.admin_url, TAKE, 20, None)}
        rows(jobs.admin_url, END)
    assert took == payers


async def test_a_quota_bounds_no_jobs_of_another_lane(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 3, resource="swift@own", quota=1), *many("a", 3, first=3))
    assert sorted(taken(jobs, 9)) == ["a0", "a3", "a4", "a5"]


async def test_a_paused_resource_is_told(jobs: OpenedJobs) -> None:
    rows(jobs.admin_url, "INSERT INTO jobs.resources (name, paused_at) VALUES ('swift', now()), ('thrifty', NULL)")
    assert await jobs.queue.paused(["swift", "thrifty", "small"]) == {"swift"}


async def test_jobs_with_turns_and_without_share_a_queue(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 3), Greet(number=1), Greet(number=2))
    found = rows(jobs.admin_url, "SELECT args ->> 'effect' FROM jobs.fetch_job('default', NULL, 4)")
    assert found == [("greet:1",), ("greet:2",), ("greet_for:a:0",), ("greet_for:a:1",)]


async def test_workers_that_take_at_the_same_time_take_different_jobs(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 40), *many("b", 40))
    managers = [QueueManager(jobs.access, "default", concurrency=16) for _ in range(4)]
    ids = [await manager.register_worker() for manager in managers]

    async def fetch(manager: QueueManager, id: int) -> list[int | None]:
        return [job.id for job in [await manager.fetch_job(None, id) for _ in range(16)] if job is not None]

    found = await asyncio.gather(*map(fetch, managers, ids))
    assert [len(each) for each in found] == [16] * 4
    assert len({id for each in found for id in each}) == 64


async def test_the_place_of_a_job_is_told_before_it_is_kept_and_while_it_waits(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 6), *many("c", 6, resource="small"))
    job = GreetFor(payer="b", number=0)
    assert await jobs.queue.place(job) == 3
    await jobs.queue.enqueue(job)
    assert await jobs.queue.place(job) == 3
    assert taken(jobs, 4)[:2] == ["a0", "c0"]
    assert await jobs.queue.place(job) == 1


async def test_a_job_that_has_moved_to_another_lane_has_its_place_there(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 3), *many("b", 1, resource="thrifty"), *many("c", 1, resource="thrifty"))
    assert await jobs.queue.place(GreetFor(payer="c", resource="swift")) == 2


async def test_no_more_than_a_thousand_places_are_counted(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 1_200))
    assert await jobs.queue.place(GreetFor(payer="a", number=1_200)) == 1_000


COPY = """
INSERT INTO jobs.procrastinate_jobs (queue_name, task_name, lock, args)
SELECT queue_name, task_name, lock, args FROM jobs.procrastinate_jobs, generate_series(2, %s)
"""


async def greet_for(job: GreetFor, begun: list[str], queue: PostgresJobQueue, has_begun: asyncio.Event) -> None:
    """Note whose job it is. The hundredth enqueues the first one of another payer."""
    begun.append(job.payer)
    if len(begun) == 100:
        await queue.enqueue(GreetFor(payer="b"))
    if job.payer == "b":
        has_begun.set()


async def test_ten_thousand_jobs_of_a_payer_delay_the_first_of_another_by_a_few(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, greet_for)
    monkeypatch.setattr(worker, "POLL_SECONDS", 1_000.0)
    await jobs.queue.enqueue(GreetFor(payer="a"))
    rows(jobs.admin_url, COPY, MANY)
    ports = {"begun": (begun := list[str]()), "queue": jobs.queue, "has_begun": (has_begun := asyncio.Event())}
    async with jobs.working(ports), asyncio.timeout(60):
        await has_begun.wait()
    assert begun.index("b") < 100 + 20
    assert rows(jobs.admin_url, "SELECT count(*) FROM jobs.procrastinate_jobs") == [(MANY + 1,)]


async def test_the_jobs_of_one_payer_are_performed_although_some_places_are_not_for_them(
    jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a job wakes the worker: procrastinate itself would look again only after a while."""
    found_none, fetch_job = asyncio.Event(), QueueManager.fetch_job

    async def fetch(manager: QueueManager, queues: Iterable[str] | None, worker_id: int) -> QueuedJob | None:
        job = await fetch_job(manager, queues, worker_id)
        if job is None:
            found_none.set()
        return job

    async def end_after_a_fetch_without_a_job(job: GreetFor) -> None:
        await found_none.wait()

    register(monkeypatch, end_after_a_fetch_without_a_job)
    monkeypatch.setattr(worker, "POLL_SECONDS", 1_000.0)
    monkeypatch.setattr(QueueManager, "fetch_job", fetch)
    await jobs.queue.enqueue(*many("a", 30))
    async with jobs.working():
        await until(lambda: jobs.statuses() == ["succeeded"] * 30)
