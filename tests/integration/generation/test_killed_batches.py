"""A worker is killed at each step of a batch. Each text is there once, and each line that is billed is in the books."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from application.generation.batch_following import FollowBatches
from application.generation.batching import SubmitBatches
from projections.generation.generation import Generations
from tests.chaos.work import Kill
from tests.support.asking import LOOK_SECONDS, Asking, asking
from tests.support.jobs import OpenedJobs, open_jobs
from tests.support.projecting import projecting
from tests.support.servers import Database
from tests.support.stores import rows
from tests.support.worker_process import BATCH_STEPS, KILL_AT_STEP

# As a worker does that has noticed that another one is lost: test_stalled.py shows how they notice.
FORGET_WORKERS = "DELETE FROM jobs.procrastinate_workers"
WAITING = "SELECT FROM jobs.procrastinate_jobs WHERE args ->> 'kind' = %s AND status IN ('todo', 'doing')"


@asynccontextmanager
async def open_scene(database: Database, folder: Path) -> AsyncIterator[Asking]:
    """Open all around workers, with the read model that says what waits."""
    async with (
        asking(database, folder, 0.0) as scene,
        projecting([Generations()], scene.opened.feed(), database.part_url("projector")),
    ):
        yield scene


async def test_a_text_of_a_batch_survives_the_death_of_its_worker_at_every_step(
    database: Database, tmp_path: Path
) -> None:
    async with open_scene(database, tmp_path) as scene, open_jobs(database) as jobs:
        ids: list[UUID] = []
        kills: list[Kill] = []
        for step in BATCH_STEPS:
            ids.append(await scene.ask("draft" if len(ids) % 3 == 0 else "append", "batch"))
            kills.append(await die(scene, jobs, f"after {step}"))
        with scene.worker():
            while not await is_over(scene, ids):
                await let_work(scene, jobs)
        assert await scene.violations(kills) == []
        assert [(await scene.generation(id)).status for id in ids] == ["done"] * len(ids)


async def die(scene: Asking, jobs: OpenedJobs, step: str) -> Kill:
    """Let a worker send and follow batches until it comes to a step, and dies there."""
    rows(scene.database.admin_url, FORGET_WORKERS)
    with scene.worker(**{KILL_AT_STEP: step}) as worker:
        began = time.time()
        while worker.poll() is None:
            await let_work(scene, jobs)
        return Kill(step, began, time.time())


async def let_work(scene: Asking, jobs: OpenedJobs) -> None:
    """Let both jobs be performed again, as their schedules do it."""
    for job in (SubmitBatches(), FollowBatches()):
        if not rows(scene.database.admin_url, WAITING, job.kind):
            await jobs.queue.enqueue(job)
    await asyncio.sleep(LOOK_SECONDS)


async def is_over(scene: Asking, ids: list[UUID]) -> bool:
    """Whether all texts are there, and nothing is left at the provider."""
    return not scene.provider.batches.files and not any([(await scene.generation(id)).is_open for id in ids])
