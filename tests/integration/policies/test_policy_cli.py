"""`palimpsest policies`: what operators see and do."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from application.policy import POLICIES
from infra.bootstrap.policies import policy_parts
from infra.cli.policies import app
from infra.policies.consumer import PolicyParts
from tests.support.environment import unset_settings
from tests.support.feeding import FromStore
from tests.support.mirror import MIRROR
from tests.support.note import Note
from tests.support.notes import note
from tests.support.reacting import create_job_table, enqueue_on, jobs_in, reacting
from tests.support.servers import Database
from tests.support.stores import make_key_file, open_store


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setitem(POLICIES, "mirror", MIRROR)
    make: Callable[..., PolicyParts] = policy_parts
    monkeypatch.setattr("infra.cli.policies.policy_parts", lambda *given: replace(make(*given), enqueue=enqueue_on))


@pytest.fixture
def stopped(database: Database) -> Note:
    """A note whose second event was refused; its third waits."""
    create_job_table(database.admin_url)
    found = note(1, "!refuse", "b")

    async def react() -> None:
        async with open_store(database.app_url) as opened:
            log = FromStore(opened)
            async with reacting(log, MIRROR) as running:
                await log.append(found)
                await running.reached()

    asyncio.run(react())
    return found


def run(*words: str, code: int = 0) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_the_list_shows_positions_and_streams_in_quarantine(stopped: Note) -> None:
    said = run("list")
    assert f"In quarantine: mirror {stopped.id}, since its event at 2 raised NotThisLine" in said


def test_a_retry_says_what_keeps_the_stream(stopped: Note, database: Database) -> None:
    said = run("retry", "mirror", str(stopped.id), code=1)
    assert said == "The stream stays in quarantine: its event at 2 raises NotThisLine."
    assert sum(jobs_in(database.admin_url).values()) == 1


def test_a_skip_releases_the_stream(stopped: Note, database: Database) -> None:
    assert run("skip", "mirror", str(stopped.id)) == "mirror has reacted to the whole stream."
    assert jobs_in(database.admin_url) == {f"{stopped.id}:{version}": 1 for version in (1, 3)}
    assert run("retry", "mirror", str(stopped.id), code=1).startswith("That stream is not in quarantine")


def test_an_unknown_policy_is_named_with_those_that_exist() -> None:
    said = run("retry", "other", "00000000-0000-0000-0000-000000000001", code=1)
    assert said.startswith("There is no policy 'other'. Choose from: ")
    assert "mirror" in said
