"""`palimpsest models`: operators pause, resume and limit models, and all workers follow."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from application.generation.queueing import by_own_keys
from infra.cli.doctor import doctor
from infra.cli.models import app
from infra.jobs import worker
from infra.jobs.manager import QueueManager
from tests.integration.jobs.test_turns import END, GreetFor, many, taken
from tests.support.environment import unset_settings
from tests.support.jobs import OpenedJobs, register
from tests.support.servers import Database
from tests.support.stores import make_key_file, rows

MODEL, OTHER = "gpt-4.1-mini", "gpt-4.1"


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.admin_url)


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == code, result.output
    return result


def listed(name: str) -> dict[str, Any]:
    """What `list` shows of a model."""
    [found] = [each for each in json.loads(run("list", "--json").stdout) if each["name"] == name]
    return dict(found)


async def test_jobs_of_a_paused_model_wait_and_others_go_on(jobs: OpenedJobs) -> None:
    run("pause", MODEL)
    run("pause", MODEL)
    await jobs.queue.enqueue(*many("a", 2, resource=MODEL), *many("b", 2, resource=OTHER))
    assert taken(jobs, 4) == ["b0", "b1"]
    assert (listed(MODEL)["waiting"], listed(OTHER)["running"]) == (2, 2)
    assert "paused since" in run("list").output
    assert jobs.statuses() == ["todo", "todo", "doing", "doing"]
    run("resume", MODEL)
    assert taken(jobs, 4) == ["a0", "a1"]


async def test_what_keys_of_payers_pay_is_paused_apart(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 2, resource=MODEL), *many("b", 3, resource=by_own_keys(MODEL), quota=1))
    run("pause", MODEL)
    assert taken(jobs, 4) == ["b0"]
    assert (listed(MODEL)["waiting"], listed(by_own_keys(MODEL))["running"]) == (2, 1)
    run("resume", MODEL)
    run("pause", by_own_keys(MODEL))
    rows(jobs.admin_url, END)
    assert taken(jobs, 4) == ["a0", "a1"]
    run("resume", by_own_keys(MODEL))
    assert taken(jobs, 4) == ["b1"]


async def test_jobs_that_run_when_their_model_is_paused_go_on(jobs: OpenedJobs) -> None:
    await jobs.queue.enqueue(*many("a", 2, resource=MODEL))
    assert taken(jobs) == ["a0"]
    run("pause", MODEL)
    assert listed(MODEL)["running"] == 1
    rows(jobs.admin_url, END)
    assert (listed(MODEL)["running"], listed(MODEL)["waiting"]) == (0, 1)
    assert taken(jobs) == []


async def test_no_more_jobs_run_at_a_time_than_the_limit_of_their_model(jobs: OpenedJobs) -> None:
    run("limit", MODEL, "3")
    await jobs.queue.enqueue(*many("a", 4, resource=MODEL), *many("b", 4, resource=MODEL, weight=4))
    await jobs.queue.enqueue(*many("c", 2, resource=OTHER))
    assert sorted(taken(jobs, 9)) == ["b0", "b1", "b2", "c0", "c1"]
    assert taken(jobs) == []
    rows(jobs.admin_url, END + " AND id = 5")
    assert len(taken(jobs, 9)) == 1
    run("limit", MODEL)
    assert len(taken(jobs, 9)) == 4


async def test_workers_pass_no_limit_together(jobs: OpenedJobs) -> None:
    run("limit", MODEL, "5")
    await jobs.queue.enqueue(*many("a", 20, resource=MODEL), *many("b", 20, resource=MODEL))
    managers = [QueueManager(jobs.access, "default", concurrency=4) for _ in range(4)]
    ids = [await manager.register_worker() for manager in managers]
    found = await asyncio.gather(*[manager.fetch_job(None, id) for manager, id in zip(managers, ids, strict=True)])
    assert rows(jobs.admin_url, "SELECT count(*) FROM jobs.procrastinate_jobs WHERE status = 'doing'") == [(5,)]
    assert sum(job is not None for job in found) >= 2


@pytest.fixture
async def performed(jobs: OpenedJobs, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[asyncio.Event]:
    """A worker that looks for jobs only when it is woken. Set once it has performed a job."""
    monkeypatch.setattr(worker, "POLL_SECONDS", 1_000.0)
    is_performed = asyncio.Event()

    async def greet_for(job: GreetFor) -> None:
        is_performed.set()

    register(monkeypatch, greet_for)
    async with jobs.working():
        yield is_performed


async def test_workers_that_sleep_wake_when_a_model_goes_on(jobs: OpenedJobs, performed: asyncio.Event) -> None:
    await asyncio.to_thread(run, "pause", MODEL)
    await jobs.queue.enqueue(GreetFor(payer="a", resource=MODEL), GreetFor(payer="b", resource=OTHER))
    await performed.wait()
    performed.clear()
    assert jobs.statuses()[0] == "todo"
    await asyncio.to_thread(run, "resume", MODEL)
    await performed.wait()


def test_a_model_that_there_is_not_is_refused_and_the_others_are_named() -> None:
    for command in (["pause", "gpt-0"], ["limit", "gpt-0", "3"]):
        assert MODEL in run(*command, code=1).output


def test_a_model_that_has_left_the_catalogue_can_be_resumed(database: Database) -> None:
    rows(database.admin_url, "INSERT INTO jobs.resources VALUES ('gpt-0', now())")
    assert listed("gpt-0")["paused_at"] is not None
    run("resume", "gpt-0")
    assert listed("gpt-0")["paused_at"] is None


def test_doctor_warns_of_paused_models(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    run("pause", MODEL)
    doctor()
    assert f"! Jobs         paused models: {MODEL}\n" in capsys.readouterr().out
