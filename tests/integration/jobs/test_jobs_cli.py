"""`palimpsest jobs` and `palimpsest doctor`: what operators see and do."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from infra.cli.doctor import doctor
from infra.cli.jobs import app
from infra.jobs import dead_letters
from infra.jobs.ends import end_try
from infra.jobs.manager import QueueManager
from infra.jobs.retry import DONE, Outcome, Status
from infra.settings.jobs import DEFAULT_CONCURRENCY
from tests.support.environment import unset_settings
from tests.support.jobs import Greet, OpenedJobs, open_jobs
from tests.support.servers import Database
from tests.support.stores import make_key_file, rows

DEAD = Outcome(Status.DEAD, error="JobFailed", reason="the door is walled up")


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.admin_url)


@pytest.fixture
def lived(database: Database, settings: None) -> Database:
    """Four jobs: done, dead, running, waiting."""

    async def live() -> None:
        async with open_jobs(database) as jobs:
            await jobs.queue.enqueue(*[Greet(number=number) for number in (1, 2, 3, 4)])
            worker = QueueManager(jobs.access, "default")
            worker_id = await worker.register_worker()
            for outcome in (DONE, DEAD, None):
                job = await worker.fetch_job(None, worker_id)
                assert job is not None
                assert outcome is None or await end_try(jobs.access.database, job, outcome)

    asyncio.run(live())
    return database


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [*words])
    assert result.exit_code == code, result.output
    return result


def listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("list", *words, "--json").output)
    return found


def test_the_list_shows_what_has_not_ended_and_what_to_do(lived: Database) -> None:
    output = run("list").output
    assert [word in output for word in ("waiting", "running", "dead", "done")] == [True, True, True, False]
    assert "JobFailed" in output
    assert "palimpsest jobs retry ID" in output
    assert "Canary" not in output


def test_the_list_is_filtered(lived: Database) -> None:
    assert [(job["id"], job["status"]) for job in listed()] == [(4, "waiting"), (3, "running"), (2, "dead")]
    assert [job["id"] for job in listed("--status", "done", "--status", "dead")] == [2, 1]
    assert [job["id"] for job in listed("--limit", "1")] == [4]
    assert len(listed("--kind", "greet")) == 3
    assert listed("--kind", "whistle") == []
    assert "There are no such jobs." in run("list", "--kind", "whistle").output


@pytest.mark.parametrize(
    ("id", "step"),
    [("1", "Nothing is left"), ("2", "jobs retry 2"), ("3", "jobs cancel 3"), ("4", "jobs cancel 4")],
)
def test_a_job_is_shown_with_its_history_and_the_next_step(lived: Database, id: str, step: str) -> None:
    output = run("show", id).output
    assert f"greet:{id}" in output
    assert step in output
    assert "Canary" not in output


def test_a_dead_job_is_shown_with_its_error(lived: Database) -> None:
    output = run("show", "2").output
    assert "try 1, JobFailed: the door is walled up" in output
    assert 'fields      {"number": 2}, and sealed ones' in output
    shown = json.loads(run("show", "2", "--json").output)
    assert [error["reason"] for error in shown["errors"]] == ["the door is walled up"]
    assert [time["what"] for time in shown["times"]] == ["deferred", "started", "failed"]


def test_the_sealed_fields_of_a_done_job_are_gone(lived: Database) -> None:
    assert not json.loads(run("show", "1", "--json").output)["job"]["has_sealed_fields"]


@pytest.mark.parametrize("words", [("2",), ("--kind", "greet")])
def test_a_dead_job_is_tried_again_as_if_it_were_new(lived: Database, words: tuple[str, ...]) -> None:
    before = listed("--status", "dead")[0]
    assert "Waiting again" in run("retry", *words).output
    after = next(job for job in listed() if job["id"] == 2)
    assert (after["status"], after["tries"]) == ("waiting", 0)
    assert after["due"] > before["due"]
    assert after["has_sealed_fields"]


def test_a_dead_job_is_discarded(lived: Database) -> None:
    run("discard", "2")
    assert "There is no job 2." in run("show", "2", code=1).stderr


@pytest.mark.parametrize("id", ["1", "3", "4", "99"])
def test_only_dead_jobs_are_retried_or_discarded(lived: Database, id: str) -> None:
    for command in ("retry", "discard"):
        assert "There is no such dead job." in run(command, id, code=1).stderr


@pytest.mark.parametrize("words", [(), ("2", "--kind", "greet")])
def test_one_job_or_one_kind_must_be_named(lived: Database, words: tuple[str, ...]) -> None:
    assert "Name one job by its id" in run("retry", *words, code=1).stderr


def test_a_waiting_job_is_cancelled_and_its_sealed_fields_are_gone(lived: Database) -> None:
    run("cancel", "4")
    shown = json.loads(run("show", "4", "--json").output)["job"]
    assert (shown["status"], shown["has_sealed_fields"]) == ("cancelled", False)


def test_a_running_job_is_asked_to_end(lived: Database) -> None:
    run("cancel", "3")
    assert json.loads(run("show", "3", "--json").output)["job"]["status"] == "cancelling"


@pytest.mark.parametrize("id", ["1", "2", "99"])
def test_what_has_ended_is_not_cancelled(lived: Database, id: str) -> None:
    assert f"Job {id} neither waits nor runs." in run("cancel", id, code=1).stderr


def test_a_database_without_a_schema_is_a_sentence(database: Database) -> None:
    rows(database.admin_url, "ALTER SCHEMA jobs RENAME TO former")
    assert "palimpsest migrate" in run("list", code=1).stderr
    rows(database.admin_url, "ALTER SCHEMA former RENAME TO jobs")


def test_doctor_warns_of_dead_jobs_and_of_queues_without_a_worker(
    lived: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor()
    output = capsys.readouterr().out
    assert "! Jobs         dead jobs: 1 of greet" in output
    assert "! Jobs         no worker serves: accounts, generation, housekeeping, mail\n" in output


async def test_doctor_is_content_with_workers_and_without_dead_jobs(
    jobs: OpenedJobs, capsys: pytest.CaptureFixture[str]
) -> None:
    for queue in DEFAULT_CONCURRENCY:
        await QueueManager(jobs.access, queue).register_worker()
    await asyncio.to_thread(doctor)
    assert "✓ Jobs         all queues are served, no job is dead, no model is paused" in capsys.readouterr().out


@pytest.mark.parametrize("act", [dead_letters.retry, dead_letters.discard])
def test_a_kind_without_dead_jobs_is_left_alone(lived: Database, act: Callable[..., object]) -> None:
    assert "There is no such dead job." in run(act.__name__, "--kind", "whistle", code=1).stderr
