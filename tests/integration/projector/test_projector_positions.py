"""Reads can wait for what was written, and lag is seen."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from infra.bootstrap.projections import prepare_tables
from infra.postgres.projector_connection import connect
from infra.projector.lag import LagMonitor, lags
from infra.projector.position_tracker import PositionTracker
from tests.support.metrics import sample
from tests.support.notes import Notes, note
from tests.support.projecting import MemoryFeed, news, projecting
from tests.support.servers import Database
from tests.support.stores import disconnect, rows
from tests.support.waiting import until


def log(*lines: str) -> MemoryFeed:
    """A log of one note."""
    return MemoryFeed(news(note(1, *lines)))


async def test_a_read_that_waits_is_woken_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.projector.position_tracker.POLL_SECONDS", 300)
    feed = log()
    positions = PositionTracker(database.app_url)
    await positions.start()
    async with projecting([Notes()], feed, database.app_url) as running:
        await running.reached()
        assert await positions.wait("notes", 1, 5) == 0
        waiting = asyncio.create_task(positions.wait("notes", 2, 30))
        await asyncio.sleep(0.05)
        feed.add(log("a").events[1:])
        assert await waiting == 0
    await positions.stop()


async def test_a_read_that_waits_in_vain_is_told_how_far_behind_it_is(database: Database) -> None:
    feed = log("a")
    positions = PositionTracker(database.app_url)
    await positions.start()
    async with projecting([Notes()], feed, database.app_url) as running:
        await running.reached()
        assert await positions.wait("notes", 9, 0.1) == 7
        assert await positions.wait("unheard_of", 3, 0) == 3
    await positions.stop()


async def test_a_read_is_woken_although_the_notification_was_lost(database: Database) -> None:
    await prepare_tables(database.app_url, [Notes()])
    positions = PositionTracker(database.app_url)
    await positions.start()
    await until(lambda: positions._known == {"notes": 0})
    waiting = asyncio.create_task(positions.wait("notes", 5, 10))
    await asyncio.sleep(0.05)
    rows(database.app_url, "UPDATE projections SET position = 5")
    assert await waiting == 0
    await positions.stop()


async def test_positions_are_heard_again_after_the_connection_broke(database: Database) -> None:
    await prepare_tables(database.app_url, [Notes()])
    positions = PositionTracker(database.app_url)
    await positions.start()
    await until(lambda: positions._known == {"notes": 0})
    disconnect(database.admin_url)
    rows(database.app_url, "UPDATE projections SET position = 5")
    assert await positions.wait("notes", 5, 10) == 0
    await positions.stop()


async def test_what_a_lost_database_had_is_forgotten(database: Database) -> None:
    await prepare_tables(database.app_url, [Notes()])
    positions = PositionTracker(database.app_url)
    positions._known = {"notes": 99}
    await positions.start()
    await until(lambda: positions.known("notes") == 0)
    await positions.stop()


async def test_lag_is_told_in_positions_and_seconds(database: Database) -> None:
    old = datetime.now(UTC) - timedelta(seconds=100)
    feed = MemoryFeed(replace(event, recorded_at=old) for event in log("a", "b").events)
    await prepare_tables(database.app_url, [Notes()])
    async with await connect(database.app_url) as connection:
        [lag] = await lags(connection, feed)
    assert (lag.name, lag.position, lag.behind) == ("notes", 0, 3)
    assert 100 <= lag.seconds < 110
    async with projecting([Notes()], feed, database.app_url) as running:
        await running.reached()
        async with await connect(database.app_url) as connection:
            [lag] = await lags(connection, feed)
    assert (lag.position, lag.behind, lag.seconds) == (3, 0, 0.0)


async def test_a_projection_with_work_that_does_not_move_is_stuck(database: Database) -> None:
    await prepare_tables(database.app_url, [Notes()])
    monitor = LagMonitor(["notes"], log("a"), database.app_url)
    await monitor.measure()
    assert _gauge("palimpsest_projection_stuck") == 0
    monitor._since["notes"] = (0, monitor._since["notes"][1] - 31)
    await monitor.measure()
    assert _gauge("palimpsest_projection_stuck") == 1
    assert _gauge("palimpsest_projection_lag_positions") == 2
    rows(database.app_url, "UPDATE projections SET position = 2")
    await monitor.measure()
    assert (_gauge("palimpsest_projection_stuck"), _gauge("palimpsest_projection_lag_positions")) == (0, 0)
    await monitor._session.close()


def _gauge(name: str) -> float | None:
    return sample(name, {"projection": "notes"})
