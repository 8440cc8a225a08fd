"""Checkpoints are locked: a projector passes over one that another transaction holds, an operator waits for it."""

import asyncio

import pytest

from infra.bootstrap.projections import prepare_tables
from infra.postgres.projector_connection import connect
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from projections.kernel import Table
from tests.support.notes import Notes, note
from tests.support.projecting import MemoryFeed, news, positions, projecting
from tests.support.servers import Database
from tests.support.stores import waiting_for_locks
from tests.support.waiting import MAX_WAIT_SECONDS, until


class Other(Notes):
    """Another read model."""

    table = Table("other", key=Notes.table.key, columns=Notes.table.columns)


@pytest.fixture
async def url(database: Database) -> str:
    await prepare_tables(database.app_url, [Notes(), Other()])
    return database.app_url


async def test_without_waiting_a_checkpoint_that_is_locked_is_left_out(url: str) -> None:
    async with await connect(url) as holder, await connect(url) as other:
        async with holder.transaction():
            await PROJECTIONS.lock(holder, ["notes"])
            async with other.transaction(), asyncio.timeout(MAX_WAIT_SECONDS):
                found = await PROJECTIONS.lock(other, ["notes", "other"], wait=False)
            assert set(found) == {"other"}
        async with other.transaction():
            assert set(await PROJECTIONS.lock(other, ["notes", "other"], wait=False)) == {"notes", "other"}


async def test_with_waiting_a_checkpoint_is_as_its_holder_left_it(database: Database, url: str) -> None:
    async def locked() -> dict[str, Checkpoint]:
        async with await connect(url) as other, other.transaction():
            return await PROJECTIONS.lock(other, ["notes"])

    async with await connect(url) as holder, holder.transaction():
        await PROJECTIONS.lock(holder, ["notes"])
        waiting = asyncio.create_task(locked())
        await until(lambda: waiting_for_locks(database.admin_url) == 1)
        assert not waiting.done()
        await PROJECTIONS.advance(holder, ["notes"], 7)
    assert (await waiting)["notes"].position == 7


async def test_a_projector_moves_the_others_while_one_is_locked_and_it_afterwards(url: str) -> None:
    feed = MemoryFeed(news(note(1, "a")))
    async with projecting([Notes(), Other()], feed, url):
        async with await connect(url) as holder, holder.transaction():
            await PROJECTIONS.lock(holder, ["notes"])
            feed.add(news(note(2, "a")))
            await until(lambda: positions(url, [Other()]) == {"other": 4})
            assert positions(url, [Notes()])["notes"] < 4
        await until(lambda: positions(url, [Notes()]) == {"notes": 4})
