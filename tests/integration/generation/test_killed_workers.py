"""A worker is killed at each step of a generation. Each text is there once, and each call is in the books."""

import random
import time
from pathlib import Path
from uuid import UUID

from tests.chaos.work import Kill
from tests.support.asking import Asking, asking
from tests.support.servers import Database
from tests.support.waiting import until
from tests.support.worker_process import KILL_AT_STEP, STEPS

PAUSE_SECONDS = 0.01


async def test_a_text_survives_the_death_of_its_worker_at_every_step(database: Database, tmp_path: Path) -> None:
    steps = [f"{moment} {step}" for step in STEPS for moment in ("before", "after")]
    random.Random(7).shuffle(steps)
    async with asking(database, tmp_path, PAUSE_SECONDS) as scene:
        ids: list[UUID] = []
        kills: list[Kill] = []
        for step in steps:
            ids.append(await scene.ask("draft" if len(ids) % 3 == 0 else "append"))
            kills.append(await die(scene, step))
        with scene.worker():
            ends = [await scene.until_over(id) for id in ids]
        assert await scene.violations(kills) == []
        assert [end.status for end in ends] == ["done"] * len(steps)
        assert await scene.violations([]) != [], "no kill has let the provider be asked again"


async def die(scene: Asking, step: str) -> Kill:
    """Let a worker work until it comes to a step, and dies there."""
    with scene.worker(**{KILL_AT_STEP: step}) as worker:
        began = time.time()
        await until(lambda: worker.poll() is not None)
        return Kill(step, began, time.time())
