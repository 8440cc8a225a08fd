"""Workers that die at any step of a batch: what their policies cause happens once, and another worker takes over."""

import signal
from collections.abc import AsyncIterator

import pytest

from infra.policies.tables import ensure_checkpoints
from infra.postgres.projector_connection import connect
from tests.support.feeding import FromStore
from tests.support.forks import ForkedProgram
from tests.support.mirror import COUNT, MIRROR, Mirror
from tests.support.note import Note
from tests.support.notes import note
from tests.support.policy_worker import NEVER, STEPS
from tests.support.reacting import create_job_table, jobs_in
from tests.support.servers import Database
from tests.support.stores import open_store, rows
from tests.support.waiting import until

BEHIND = "SELECT count(*) FROM policies WHERE position < (SELECT max(notification_id) FROM stored_events)"


@pytest.fixture
async def log(database: Database) -> AsyncIterator[FromStore]:
    """A log, whose policies begin at its beginning."""
    create_job_table(database.admin_url)
    async with await connect(database.app_url) as connection:
        await ensure_checkpoints(connection, [MIRROR, COUNT])
    async with open_store(database.app_url) as opened:
        yield FromStore(opened)


def worker(database: Database, step: str) -> ForkedProgram:
    """A worker that dies at this step."""
    return ForkedProgram("tests.support.policy_worker", database.app_url, step)


async def caught_up(database: Database) -> None:
    """Wait until the policies have reached the end of the log."""
    await until(lambda: rows(database.app_url, BEHIND) == [(0,)], 30)


def mirrored(database: Database, *notes: Note) -> list[int]:
    """The number of lines in the mirror of each note."""
    query = "SELECT count(*) FROM stored_events WHERE originator_id = %s"
    return [int(rows(database.admin_url, query, Mirror.id_of(each.id))[0][0]) for each in notes]


@pytest.mark.parametrize("step", STEPS)
async def test_a_worker_that_is_killed_leaves_nothing_undone_and_nothing_twice(
    log: FromStore, database: Database, step: str
) -> None:
    one, two = note(1, "a", "twice"), note(2, "a", "b", "c")
    await log.append(one, two)
    with worker(database, step) as process:
        await until(lambda: process.poll() is not None, 30)
        assert process.returncode == -signal.SIGKILL
    with worker(database, NEVER):
        await caught_up(database)
    assert mirrored(database, one, two) == [4, 4]
    jobs = jobs_in(database.admin_url)
    assert [jobs[f"{one.id}:{n}"] for n in (1, 2, 3)] == [1, 1, 3]
    assert [jobs[f"{two.id}:{n}"] for n in (1, 2, 3, 4)] == [1, 1, 2, 1]
    assert sum(jobs.values()) == 10


async def test_a_second_worker_takes_over_when_the_first_is_killed(log: FromStore, database: Database) -> None:
    with worker(database, NEVER) as first, worker(database, NEVER):
        await log.append(note(1))
        await caught_up(database)
        notes = [note(n) for n in range(2, 8)]
        for each in notes:
            await log.append(each)
        first.kill()
        await caught_up(database)
    assert mirrored(database, *notes) == [1] * len(notes)
    assert set(jobs_in(database.admin_url).values()) == {1}
