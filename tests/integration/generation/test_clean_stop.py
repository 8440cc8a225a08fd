"""A worker is asked to stop in the middle of a text: nothing is lost, and nothing is done twice."""

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from infra.bootstrap import worker
from infra.jobs import worker as queue_worker
from infra.settings.model import Settings
from tests.support.asking import Asking, asking
from tests.support.billing_provider import pieces_of
from tests.support.servers import Database
from tests.support.stores import rows
from tests.support.waiting import until

PAUSE_SECONDS = 0.01


async def test_a_worker_that_stops_writes_its_text_to_the_end(database: Database, tmp_path: Path) -> None:
    async with asking(database, tmp_path, PAUSE_SECONDS) as scene:
        scene.provider.gate.clear()
        id = await scene.ask()
        with scene.worker() as process:
            await has_begun(scene, id)
            process.terminate()
            scene.provider.gate.set()
            await until(lambda: process.poll() is not None)
        assert process.returncode == 0
        [call] = scene.ledger.calls()
        assert call.is_whole
        assert rows(database.admin_url, STATUS) == [("succeeded", 1)]
        assert (await scene.generation(id)).text == "".join(pieces_of(call.asked.request_id))
        assert await scene.violations([]) == []


async def test_a_text_that_takes_longer_than_the_grace_is_handed_back_and_written_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_worker, "GRACE_SECONDS", 0.2)
    async with asking(database, tmp_path, PAUSE_SECONDS) as scene:
        scene.provider.gate.clear()
        id = await scene.ask()
        given = {name: value for name, value in scene.settings.items() if value}
        working = asyncio.create_task(worker.work(Settings.from_variables(given)))
        await has_begun(scene, id)
        working.cancel()
        await asyncio.wait([working])
        assert rows(database.admin_url, STATUS) == [("todo", 0)]
        stopped = await scene.generation(id)
        assert (stopped.status, stopped.attempt_is_open, stopped.tries) == ("queued", False, 0)
        assert stopped.cost.tokens > 0, "what was written is paid for"
        scene.provider.gate.set()
        with scene.worker():
            done = await scene.until_over(id)
        assert (done.status, done.attempt) == ("done", 2)
        first, second = scene.ledger.calls()
        assert (first.is_whole, second.is_whole) == (False, True)
        assert await scene.violations([]) == [], "a text that is handed over may be asked for again"
        assert (await scene.content()).count(done.text) == 1


STATUS = "SELECT status::text, attempts FROM jobs.procrastinate_jobs WHERE args ->> 'kind' = 'generate_text'"


async def has_begun(scene: Asking, id: UUID) -> None:
    """Wait until some of the text has been kept."""
    query = "SELECT count(*) FROM partial_texts WHERE generation_id = %s"
    await until(lambda: rows(scene.database.admin_url, query, id) != [(0,)])
