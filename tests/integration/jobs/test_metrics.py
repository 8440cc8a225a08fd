"""Metrics and logs of jobs: by kind, and without a word of their arguments."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from infra.jobs.metrics import measure
from tests.support.jobs import Greet, OpenedJobs, register
from tests.support.metrics import sample
from tests.support.stores import rows
from tests.support.waiting import until

AGE = "UPDATE jobs.procrastinate_jobs SET args = args || jsonb_build_object('due', extract(epoch FROM now()) - 90)"


def value(name: str, **labels: str) -> float:
    return sample(f"palimpsest_{name}", {"kind": "greet", **labels}) or 0.0


async def test_the_backlog_is_measured_by_kind(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(Greet(), Greet(number=2))
    rows(jobs.admin_url, AGE)
    await jobs.queue.enqueue(Greet(number=3), at=datetime.now(UTC) + timedelta(hours=1))
    await measure(jobs.access.database)
    assert (value("jobs_due"), value("jobs_delayed"), value("jobs_dead")) == (2, 1, 0)
    assert 90 <= value("jobs_oldest_due_seconds") < 90 + 60
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET status = 'doing' WHERE id < 3")
    await measure(jobs.access.database)
    assert (value("jobs_due"), value("jobs_running")) == (0, 2)
    rows(jobs.admin_url, "UPDATE jobs.procrastinate_jobs SET status = 'failed'")
    await measure(jobs.access.database)
    assert (value("jobs_delayed"), value("jobs_running"), value("jobs_dead")) == (0, 0, 3)


async def test_tries_are_counted_and_nothing_of_a_job_is_logged(
    jobs: OpenedJobs,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def greet(job: Greet) -> None:
        if job.number > 1:
            raise ValueError(f"{job.name} of the wood")

    register(monkeypatch, greet)
    caplog.set_level(logging.DEBUG)
    before = {outcome: value("job_tries_total", outcome=outcome) for outcome in ("done", "retry", "dead")}
    runs = value("job_run_seconds_count")
    async with jobs.working():
        await jobs.queue.enqueue(Greet(), Greet(number=2))
        await until(lambda: jobs.statuses() == ["succeeded", "failed"])
    after = {outcome: value("job_tries_total", outcome=outcome) for outcome in before}
    assert {outcome: after[outcome] - before[outcome] for outcome in before} == {"done": 1, "retry": 2, "dead": 1}
    assert value("job_run_seconds_count") - runs == 4
    logged = caplog.text + capsys.readouterr().out
    assert "job is dead" in logged
    assert "test_metrics.py:" in logged
    assert "Canary" not in logged
    assert "the wood" not in logged
