"""`palimpsest generations unknown`: operators see which answers were lost, and how the provider calls them."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.bootstrap.write_side import load_use_cases
from infra.cli.generations import app
from projections.kernel import read_models
from tests.chaos.work import Kill
from tests.support.asking import asking
from tests.support.environment import unset_settings
from tests.support.projecting import projecting
from tests.support.servers import Database
from tests.support.stores import make_key_file
from tests.support.waiting import until
from tests.support.worker_process import KILL_AT_STEP


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)


async def lose_an_answer(database: Database, folder: Path) -> str:
    """Let a worker die while it writes, and another one write the text. Returns the request that was lost."""
    async with asking(database, folder, pause=0.01) as scene:
        id = await scene.ask()
        with scene.worker(**{KILL_AT_STEP: "after append"}) as worker:
            await until(lambda: worker.poll() is not None)
        with scene.worker():
            await scene.until_over(id)
        at = scene.ledger.calls()[0].asked.at
        assert await scene.violations([Kill("worker", at, at)]) == []
        async with projecting(read_models(), scene.opened.feed(), database.part_url("projector")) as running:
            await running.reached()
        return scene.ledger.calls()[0].asked.request_id


def test_operators_see_which_answers_were_lost(database: Database, tmp_path: Path) -> None:
    load_use_cases()
    lost = asyncio.run(lose_an_answer(database, tmp_path))
    shown = CliRunner().invoke(app, ["unknown"], env={"COLUMNS": "200"})
    assert (shown.exit_code, lost in shown.output) == (0, True), shown.output
    [listed] = json.loads(CliRunner().invoke(app, ["unknown", "--json"]).output)
    assert f"{listed['id']}-{listed['requests'][0]}" == lost
    assert listed["cost_micros"] > 0
