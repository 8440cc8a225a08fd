"""`palimpsest generations`: operators list generations, see why one is dead, ask for it again, or discard it."""

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result
from uuid_utils.compat import uuid7

from adapters.provider.catalogue import Catalogue
from adapters.provider.token_counter import TiktokenCounter
from application.bus import Bus
from application.generation.attempts import ExpireGeneration
from application.ports import CommandContext
from domain.generation.generation import WAITING_TIME
from infra.bootstrap.write_side import load_use_cases, utc_now
from infra.cli.generations import app
from projections.kernel import read_models
from tests.support.asking import Asking, asking
from tests.support.environment import unset_settings
from tests.support.memory_jobs import MemoryJobs
from tests.support.projecting import projecting
from tests.support.servers import Database
from tests.support.stores import make_key_file

SECRETS = ("Write about otters", "The river", "Notes")
"""Texts of the prompt and of the document."""


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)


def run(*words: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
    assert result.exit_code == code, (result.output, result.exception)
    assert not any(secret in result.output for secret in SECRETS)
    return result


def listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("list", *words, "--json").output)
    return found


def long_ago() -> datetime:
    """When requests are worth waiting for no more."""
    return utc_now() - WAITING_TIME


async def ask_long_ago(scene: Asking) -> UUID:
    """Ask for a text that no worker has written in time. Returns the id of the generation."""
    ports = {"models": Catalogue.read(None), "tokens": TiktokenCounter(), "digests": scene.opened.blind}
    ports |= {"clock": long_ago, "new_id": uuid7, "queue": MemoryJobs()}
    id = await replace(scene, bus=Bus(scene.opened.store, ports, scene.opened.blind)).ask()
    await scene.bus.send(ExpireGeneration(generation_id=id), CommandContext(None, uuid7()))
    return id


async def test_operators_see_and_end_dead_generations(database: Database, tmp_path: Path) -> None:
    load_use_cases()
    async with asking(database, tmp_path, pause=0.01) as scene:
        first, second, waiting = [await ask_long_ago(scene), await ask_long_ago(scene), await scene.ask()]
        async with projecting(read_models(), scene.opened.feed(), database.part_url("projector")) as running:
            await running.reached()
            await asyncio.to_thread(look, first, second, waiting)
            await asyncio.to_thread(change, first, second, waiting)
            await running.reached()
            await asyncio.to_thread(look_again, first, second)
        assert (await scene.generation(first)).round == 2
        assert (await scene.generation(second)).erased


def look(first: UUID, second: UUID, waiting: UUID) -> None:
    """See what there is."""
    assert [each["id"] for each in listed()] == [str(id) for id in (waiting, second, first)]
    assert [each["id"] for each in listed("--status", "dead", "--limit", "1")] == [str(second)]
    assert [each["id"] for each in listed("--status", "queued")] == [str(waiting)]
    assert "There are no such generations." in run("list", "--status", "done").output
    table = run("list", "--status", "dead").output
    assert all(word in table for word in (str(first), "lost", "palimpsest generations retry ID"))
    shown = run("show", str(first)).output
    assert all(word in shown for word in ("dead", "lost", f"palimpsest generations discard {first}"))
    assert json.loads(run("show", str(first), "--json").output)["failure"] == "lost"
    assert "its asker's" in run("show", str(waiting)).output


def change(first: UUID, second: UUID, waiting: UUID) -> None:
    """Ask again for one, and discard another; others are refused."""
    assert f"Queued again: {first}" in run("retry", str(first)).output
    assert f"Discarded: {second}" in run("discard", str(second)).output
    for command in ("retry", "discard"):
        assert "queued, not dead" in run(command, str(waiting), code=1).stderr
        assert "There is no generation" in run(command, str(uuid4()), code=1).stderr


def look_again(first: UUID, second: UUID) -> None:
    """See what has become of them."""
    assert listed("--status", "dead") == []
    assert json.loads(run("show", str(first), "--json").output)["status"] == "queued"
    assert "There is no generation" in run("show", str(second), code=1).stderr
