"""Every kind of job: a worker is killed between the effect and the note of it, and the repeat does no harm."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from application.discovery import import_all
from application.jobs import PERFORMERS, Job
from infra.jobs import housekeeping
from tests.support.forks import ForkedProgram
from tests.support.job_examples import EXAMPLES, Scene
from tests.support.jobs import OpenedJobs
from tests.support.roles import environment
from tests.support.servers import Database
from tests.support.stores import rows
from tests.support.waiting import until, wait_until
from tests.support.worker_process import KILL_AT_JOB, worker_process

import_all("application")
# As a worker does that has noticed that another one is lost: test_stalled.py shows how they notice.
FORGET_WORKER = "DELETE FROM jobs.procrastinate_workers"
KINDS = sorted(PERFORMERS, key=lambda job: job.kind)


def test_every_kind_has_an_example() -> None:
    assert housekeeping.PurgeJobs in PERFORMERS
    assert set(PERFORMERS) == set(EXAMPLES)


def worker(scene: Scene, folder: Path, **settings: str) -> ForkedProgram:
    """A worker process."""
    variables = {**environment(scene.database, None, 1, folder), **scene.environment, **settings}
    return worker_process(variables, folder / "worker.log")


@pytest.fixture
def scene(database: Database, tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(database, tmp_path, stack)


@pytest.mark.parametrize("kind", KINDS, ids=lambda job: job.kind)
async def test_a_repeat_after_a_kill_has_the_same_effect_or_none(
    kind: type[Job], jobs: OpenedJobs, scene: Scene, database: Database, tmp_path: Path
) -> None:
    example = EXAMPLES[kind]
    example.prepare(scene)
    await jobs.queue.enqueue(example.job)
    [(job_id,)] = rows(database.admin_url, "SELECT max(id) FROM jobs.procrastinate_jobs WHERE id <> 999")
    with worker(scene, tmp_path, **{KILL_AT_JOB: str(job_id)}) as killed:
        wait_until(lambda: killed.poll() is not None)
    assert status(database, job_id) == ("doing", 0)
    rows(database.admin_url, FORGET_WORKER)
    assert set(example.effects(scene)) == {example.job.effect_key}
    with worker(scene, tmp_path):
        await until(lambda: status(database, job_id) == ("succeeded", 2))
    assert set(example.effects(scene)) == {example.job.effect_key}


def status(database: Database, job_id: int) -> tuple[str, int]:
    """The status of a job, and its number of tries."""
    query = "SELECT status::text, attempts FROM jobs.procrastinate_jobs WHERE id = %s"
    [(status, attempts)] = rows(database.admin_url, query, job_id)
    return status, attempts
