"""Tables that no projector fills: they end with their rebuild, and until then an erasure is not acknowledged (H7)."""

import asyncio
from contextlib import suppress
from typing import Any, cast

import psycopg
import pytest

from application.ports import Positions, Sessions
from infra.bootstrap.projections import prepare_tables
from infra.cache import settlement as settlement_module
from infra.cache.settlement import ReadSettlement
from infra.postgres.locks import REBUILD
from infra.postgres.projector_connection import Connection
from infra.projector.rebuild import abandoned
from infra.projector.rebuild.rebuild import _Rebuild, rebuild
from infra.projector.table_writer import TableWriter
from tests.support.notes import Notes, note
from tests.support.projecting import MemoryFeed, news, projecting
from tests.support.servers import Database
from tests.support.stores import open_store, rows
from tests.support.waiting import until

LEFT = "SELECT to_regclass('read.notes__next') IS NOT NULL, EXISTS (SELECT FROM projections WHERE name = 'notes__next')"
LEAVE = """
CREATE TABLE read.notes__next (text text);
INSERT INTO projections (name, version) VALUES ('notes__next', 1);
INSERT INTO projection_quarantine (projection, stream_id, position, error) VALUES ('notes__next', '%s', 1, 'KeyError');
""".replace("%s", "0" * 32)


class Failure(Exception):
    """What a test lets happen."""


@pytest.fixture
async def feed(database: Database) -> MemoryFeed:
    """A log that the read model has applied."""
    feed = MemoryFeed(news(note(1, "a"), note(2, "b")))
    async with projecting([Notes()], feed, database.app_url) as running:
        await running.reached()
    return feed


def nothing_is_left(database: Database) -> bool:
    return rows(database.admin_url, LEFT) == [(False, False)]


def leave(database: Database) -> None:
    """What a rebuild leaves that is killed."""
    with psycopg.connect(database.part_url("projector")) as connection:
        connection.execute(LEAVE)


@pytest.mark.parametrize("method", ["_load", "_finish", "_swap"])
async def test_h7_a_rebuild_that_fails_leaves_no_table(
    database: Database, feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def fail(*_: Any) -> None:
        raise Failure

    monkeypatch.setattr(_Rebuild, method, fail)
    with pytest.raises(Failure):
        await rebuild(Notes(), feed, database.app_url)
    assert nothing_is_left(database)


async def test_h7_a_rebuild_that_is_cancelled_amid_a_copy_leaves_no_table(
    database: Database, feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying = asyncio.Event()

    async def hang(_: TableWriter, connection: Connection, __: object) -> None:
        async with connection.cursor().copy("COPY read.notes__next FROM STDIN"):
            copying.set()
            await asyncio.sleep(60)

    monkeypatch.setattr(TableWriter, "copy", hang)
    task = asyncio.create_task(rebuild(Notes(), feed, database.app_url))
    await copying.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert nothing_is_left(database)


async def test_h7_the_projector_drops_what_a_killed_rebuild_has_left(database: Database, feed: MemoryFeed) -> None:
    leave(database)
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s, hashtext('notes'))", [REBUILD.key])
        await abandoned.drop_abandoned(database.app_url)
        assert not nothing_is_left(database), "a rebuild that runs keeps its table"
    sweeping = asyncio.create_task(abandoned.drop_repeatedly(database.app_url))
    try:
        await until(lambda: nothing_is_left(database))
    finally:
        sweeping.cancel()
        with suppress(asyncio.CancelledError):
            await sweeping
    assert rows(database.admin_url, "SELECT FROM projection_quarantine") == []
    assert rows(database.admin_url, "SELECT count(*) FROM read.notes") == [(2,)]


async def test_h7_an_erasure_waits_for_a_rebuild_that_is_behind(
    database: Database, feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(database)
    monkeypatch.setattr(settlement_module, "HEAD", f"SELECT {len(feed.events)}")
    async with open_store(database.app_url) as opened:
        settlement = ReadSettlement(cast(Positions, None), opened.database, None, cast(Sessions, None))
        assert not await settlement.forgotten(0)
        rows(database.admin_url, "UPDATE projections SET position = %s WHERE name = 'notes__next'", len(feed.events))
        assert await settlement.forgotten(0)


async def test_h7_an_erasure_waits_for_a_table_of_code_that_was_removed(
    database: Database, feed: MemoryFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement_module, "HEAD", f"SELECT {len(feed.events)}")
    rows(database.admin_url, "INSERT INTO projections (name, version) VALUES ('removed', 1)")
    await prepare_tables(database.app_url, [Notes()])
    async with open_store(database.app_url) as opened:
        settlement = ReadSettlement(cast(Positions, None), opened.database, None, cast(Sessions, None))
        assert not await settlement.forgotten(0)
