"""The lock of a checkpoint: with waiting, as rebuilds and operators take it, and without, as projectors do."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from infra.postgres.projector_connection import Connection, connect
from infra.projector import checkpoints
from tests.support.projecting import until
from tests.support.servers import Database
from tests.support.stores import rows

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def connections(database: Database) -> AsyncIterator[tuple[Connection, Connection]]:
    """Two connections to a database with a checkpoint at position 3."""
    rows(database.app_url, "INSERT INTO projections (name, version, position) VALUES ('notes', 1, 3), ('teams', 1, 3)")
    async with await connect(database.app_url) as one, await connect(database.app_url) as other:
        yield one, other


async def test_without_waiting_a_locked_checkpoint_is_left_out(connections: tuple[Connection, Connection]) -> None:
    one, other = connections
    async with one.transaction(), asyncio.timeout(10):
        assert (await checkpoints.lock(one, ["notes"]))["notes"].position == 3
        async with other.transaction():
            assert list(await checkpoints.lock(other, ["notes", "teams"], wait=False)) == ["teams"]
    async with other.transaction():
        assert list(await checkpoints.lock(other, ["notes"], wait=False)) == ["notes"]


async def test_with_waiting_it_is_read_once_it_is_free(
    database: Database, connections: tuple[Connection, Connection]
) -> None:
    one, other = connections
    async with one.transaction():
        await checkpoints.lock(one, ["notes"])
        await checkpoints.advance(one, ["notes"], 5)
        waiting = asyncio.create_task(checkpoints.lock(other, ["notes"]))
        await until(lambda: rows(database.admin_url, WAITING) == [(1,)])
        assert not waiting.done()
    assert (await waiting)["notes"].position == 5
