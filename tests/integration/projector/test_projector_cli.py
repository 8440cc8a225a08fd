"""`palimpsest projections`: what operators see and do."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from typer.testing import CliRunner

from domain.teams.team import Team
from infra.bootstrap.write_side import open_write_side
from infra.cli.projections import app
from infra.local.servers.process import spawn
from infra.projector.rebuild import load_workers
from infra.projector.rebuild import rebuild as rebuild_module
from infra.projector.rebuild.bulk_load import BulkLoader
from infra.projector.rebuild.revocations import RevocationFailed
from infra.settings.load import load
from projections.kernel import read_models
from tests.support.environment import unset_settings
from tests.support.history import History
from tests.support.projecting import projecting
from tests.support.servers import Database
from tests.support.stores import CALL, make_key_file, rows


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)


@pytest.fixture
def lived(database: Database, settings: None) -> Team:
    """Read models with a short history; the team's second event could not be projected at first."""

    async def live() -> Team:
        async with open_write_side(load(), "api") as core:
            history = History(6)
            for roots in history.changes(60):
                await core.store.append(roots, CALL, None)
            async with projecting(read_models(), core.feed(), database.part_url("projector")) as running:
                await running.reached()
            return history.of(Team)[0]

    return asyncio.run(live())


def put_in_quarantine(database: Database, team: Team) -> int:
    """Put a team into quarantine by hand, from its second event on. Answers the position."""
    [(position,)] = rows(
        database.admin_url,
        "SELECT notification_id FROM stored_events WHERE originator_id = %s AND originator_version = 2",
        team.id,
    )
    rows(
        database.admin_url,
        "INSERT INTO projection_quarantine (projection, stream_id, position, error)"
        " VALUES ('team', %s, %s, 'KeyError')",
        team.id,
        position,
    )
    rows(database.admin_url, "UPDATE projections SET quarantined = 1 WHERE name = 'team'")
    return int(position)


def run(*words: str, code: int = 0) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    return result.output


def test_the_list_shows_how_far_each_has_come(lived: Team) -> None:
    said = run("list")
    assert all(model.name in said for model in read_models())
    assert "In quarantine" not in said


def test_a_rebuild_says_what_differs(database: Database, lived: Team) -> None:
    assert "and 0 differ" in run("rebuild", "team")
    rows(database.admin_url, "UPDATE read.team SET seats = 99 WHERE id = %s", lived.id)
    assert "and 1 differ" in run("rebuild", "team", "--check", code=1)
    assert "and 1 differ" in run("rebuild", "team")
    assert "and 0 differ" in run("rebuild", "team", "--check")


def test_a_rebuild_takes_as_many_processes_as_it_is_told(lived: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []

    def spy(*command: Any, **how: Any) -> subprocess.Popen[bytes]:
        started.append(command)
        return spawn(*command, **how)

    monkeypatch.setattr(load_workers, "MIN_EVENTS", 1)
    monkeypatch.setattr(load_workers, "HEAD_START_EVENTS", 0)
    monkeypatch.setattr(load_workers, "spawn", spy)
    for processes in (1, 3):
        assert "and 0 differ" in run("rebuild", "team", "--processes", str(processes))
        assert len(started) == processes - 1
    monkeypatch.setattr("sys.executable", "/bin/false")
    assert "load worker of the rebuild ended with exit code 1" in run("rebuild", "team", "--processes", "2", code=1)


def test_a_database_that_fails_amid_a_rebuild_is_one_sentence(lived: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any, **how: Any) -> None:
        raise psycopg.errors.DiskFull

    monkeypatch.setattr(BulkLoader, "run", full)
    assert "The database failed (DiskFull)" in run("rebuild", "team", code=1)


def test_h7_a_new_table_that_cannot_take_a_revocation_is_said_to_change_nothing(
    lived: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RevocationFailed("The new table cannot take it")

    monkeypatch.setattr(rebuild_module, "apply_revocations", fail)
    assert "The new table cannot take it. The live read model is unchanged." in run("rebuild", "team", code=1)


def test_a_stream_in_quarantine_is_listed_and_retried(database: Database, lived: Team) -> None:
    position = put_in_quarantine(database, lived)
    said = run("list")
    assert all(word in said for word in ("In quarantine", str(lived.id), str(position), "KeyError"))
    assert "applied the whole stream" in run("retry", "team", str(lived.id))
    assert "In quarantine" not in run("list")
    assert "not in quarantine" in run("retry", "team", str(lived.id), code=1)


def test_an_event_can_be_skipped(database: Database, lived: Team) -> None:
    position = put_in_quarantine(database, lived)
    assert "applied the whole stream" in run("skip", "team", str(lived.id))
    assert rows(database.admin_url, "SELECT position FROM projection_skips") == [(position,)]


def test_the_table_of_a_removed_read_model_is_dropped(database: Database, lived: Team) -> None:
    """H7: no events are applied to it, so erasures wait for it."""
    assert "remove its code first" in run("drop", "team", code=1)
    assert "no table 'removed'" in run("drop", "removed", code=1)
    with psycopg.connect(database.part_url("projector")) as connection:
        connection.execute("CREATE TABLE read.removed (text text)")
        connection.execute("INSERT INTO projections (name, version) VALUES ('removed', 1)")
    assert "removed is dropped" in run("drop", "removed")
    assert rows(database.admin_url, "SELECT to_regclass('read.removed')") == [(None,)]
    assert "removed" not in run("list")


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    answer = run("rebuild", "nothing", code=1)
    assert "Choose from: " in answer
    assert " document, " in answer


def test_a_stream_of_tables_that_are_not_there_is_not_in_quarantine() -> None:
    assert "not in quarantine" in run("retry", "team", str(UUID(int=1)), code=1)


def test_a_database_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert "The database is not available" in run("list", code=1)
