"""Schedules enqueue one job for each tick, in whatever number of processes."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from application.jobs import ScheduledJob
from infra.jobs.schedules import Schedules
from tests.support.jobs import OpenedJobs, register
from tests.support.stores import rows

START = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


class Ring(ScheduledJob, frozen=True, kw_only=True):
    kind: ClassVar[str] = "ring"
    every: ClassVar[str | None] = "* * * * *"


class Watch:
    """A clock to be set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    async def ring(job: Ring) -> None: ...

    register(monkeypatch, ring)
    return Watch()


def schedules(jobs: OpenedJobs, watch: Watch) -> Schedules:
    """The schedules of one process."""
    return Schedules([Ring], jobs.access.database, jobs.codec, watch)


def finish_all(jobs: OpenedJobs) -> None:
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET status = 'succeeded'")


async def test_a_new_kind_begins_with_its_next_tick(jobs: OpenedJobs, watch: Watch) -> None:
    own = schedules(jobs, watch)
    await own.look()
    assert jobs.statuses() == []
    watch.forward(1)
    await own.look()
    await own.look()
    assert jobs.statuses() == ["todo"]


async def test_of_several_processes_one_enqueues(jobs: OpenedJobs, watch: Watch) -> None:
    processes = [schedules(jobs, watch) for _ in range(5)]
    for _ in range(3):
        await asyncio.gather(*(process.look() for process in processes))
        finish_all(jobs)
        watch.forward(1)
    assert jobs.statuses() == ["succeeded"] * 2


async def test_the_last_tick_that_was_missed_is_made_up_for(jobs: OpenedJobs, watch: Watch) -> None:
    await schedules(jobs, watch).look()
    watch.forward(60)
    await schedules(jobs, watch).look()
    assert jobs.statuses() == ["todo"]


async def test_no_second_job_is_enqueued_while_the_first_one_waits(jobs: OpenedJobs, watch: Watch) -> None:
    own = schedules(jobs, watch)
    for _ in range(4):
        await own.look()
        watch.forward(1)
    assert jobs.statuses() == ["todo"]
    finish_all(jobs)
    await own.look()
    assert jobs.statuses() == ["succeeded", "todo"]


async def test_a_process_whose_clock_is_behind_enqueues_nothing(jobs: OpenedJobs, watch: Watch) -> None:
    late = Watch()
    await schedules(jobs, watch).look()
    watch.forward(2)
    await schedules(jobs, watch).look()
    finish_all(jobs)
    late.forward(1)
    await schedules(jobs, late).look()
    assert jobs.statuses() == ["succeeded"]
