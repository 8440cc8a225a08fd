"""A rotation of the key-encryption key leaves no job behind that only the earlier key opens."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from application.jobs import Job
from application.ports import Unavailable
from infra.bootstrap.write_side import WriteSide, open_write_side
from infra.cli import keys as commands
from infra.jobs.encoding import JobCodec
from infra.jobs.queue import PostgresJobQueue
from infra.postgres.connect import connect_async
from infra.sealing import rotation
from infra.sealing.check_values import WrongKey
from infra.sealing.job_seals import JobSeals
from infra.sealing.key_ring import KeyKind
from infra.sealing.key_source import KeySource
from infra.settings.load import load
from infra.settings.model import Settings
from tests.support.environment import unset_settings
from tests.support.jobs import Greet, OpenedJobs, register
from tests.support.servers import Database
from tests.support.stores import KEK, KEK_ID, make_key_file, rows, waiting_for_locks
from tests.support.waiting import until

ARGS = "SELECT args FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'failed') ORDER BY id"
FINISH = "UPDATE jobs.procrastinate_jobs SET status = %s WHERE id = %s"


@pytest.fixture
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    unset_settings(monkeypatch)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.admin_url)
    monkeypatch.setattr("infra.bootstrap.keys.WATCH_SECONDS", 0.05)
    monkeypatch.setattr(commands, "PROPAGATION_SECONDS", 0.2)
    make_key_file(tmp_path)
    return load()


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(job: Greet) -> None: ...

    register(monkeypatch, greet)


def rotate() -> Result:
    return CliRunner().invoke(commands.app, ["rotate", "key-encryption"])


def decoded(core: WriteSide, database: Database) -> list[Job]:
    """The jobs that are not done, as this process opens them."""
    codec = JobCodec(core.keys.jobs)
    return [codec.decode(args) for (args,) in rows(database.admin_url, ARGS)]


async def test_waiting_and_dead_jobs_open_after_the_earlier_key_is_gone(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    wanted = [Greet(number=number) for number in range(5)]
    async with open_write_side(settings, "worker") as core:
        await core.queue.enqueue(*wanted, Greet(number=9))
    rows(database.admin_url, FINISH, "failed", 2)
    rows(database.admin_url, FINISH, "succeeded", 6)
    assert rotate().exit_code == 0
    async with open_write_side(settings, "worker") as core:
        assert [key.id for key in core.keys.ring.of(KeyKind.KEY_ENCRYPTION)] != [KEK_ID]
        assert len(core.keys.ring.of(KeyKind.KEY_ENCRYPTION)) == 1
        assert decoded(core, database) == wanted


async def test_a_job_that_does_not_open_is_named_and_stops_nothing(settings: Settings, database: Database) -> None:
    async with open_write_side(settings, "worker") as core:
        await core.queue.enqueue(Greet(number=1), Greet(number=2))
    rows(database.admin_url, 'UPDATE jobs.procrastinate_jobs SET args = args || \'{"effect": "x"}\' WHERE id = 1')
    done = rotate()
    assert done.exit_code == 0
    assert "Jobs that do not open: 1, with the ids 1." in " ".join(done.output.split())
    assert "palimpsest jobs discard" in done.output


class LateKeys:
    """The keys of a process that learns of a rotation when it compares them again; `fits`: whether it ever does."""

    def __init__(self, seals: JobSeals, new: Any, *, fits: bool = True) -> None:
        self._seals = seals
        self._new = new
        self._fits = fits

    async def __call__(self, *, again: bool = False) -> None:
        if again and not self._fits:
            raise WrongKey("a key was replaced")
        if again:
            self._seals.use(self._new.id, {self._new.id: self._new.secret})


@pytest.fixture
def late_seals() -> JobSeals:
    return JobSeals(KEK_ID, {KEK_ID: KEK})


async def test_a_process_with_a_closed_key_seals_again_under_the_new_one(
    settings: Settings, database: Database, jobs: OpenedJobs, late_seals: JobSeals
) -> None:
    async with open_write_side(settings, "worker"):
        pass
    assert rotate().exit_code == 0
    new = KeySource(settings.keys).read().current(KeyKind.KEY_ENCRYPTION)
    late = PostgresJobQueue(jobs.access.database, JobCodec(late_seals), LateKeys(late_seals, new))
    await late.enqueue(Greet())
    async with open_write_side(settings, "worker") as core:
        assert decoded(core, database) == [Greet()]


async def test_a_rotation_waits_for_a_transaction_that_enqueues(
    settings: Settings, database: Database, jobs: OpenedJobs
) -> None:
    """A job that it adds later would be under a key that is gone."""
    async with open_write_side(settings, "worker"):
        pass
    async with await connect_async(jobs.access.url) as connection, connection.transaction():
        await jobs.queue.enqueue_on(connection, [Greet()], [None])
        rotation_task = asyncio.create_task(asyncio.to_thread(rotate))
        await until(lambda: waiting_for_locks(database.admin_url))
    assert (await rotation_task).exit_code == 0
    async with open_write_side(settings, "worker") as core:
        assert decoded(core, database) == [Greet()]


async def test_a_process_whose_keys_were_replaced_enqueues_nothing(
    settings: Settings, database: Database, jobs: OpenedJobs, late_seals: JobSeals
) -> None:
    async with open_write_side(settings, "worker"):
        pass
    assert rotate().exit_code == 0
    late = PostgresJobQueue(jobs.access.database, JobCodec(late_seals), LateKeys(late_seals, None, fits=False))
    with pytest.raises(Unavailable):
        await late.enqueue(Greet())
    assert jobs.statuses() == []
