"""The listener outlives its errors: of its receiver, of its queries, and of its connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from infra.postgres.connect import AsyncConnection
from infra.postgres.listener import Listener
from infra.projector.position_tracker import PositionTracker
from tests.support.metrics import sample
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stores import CALL, disconnect, open_store, rows
from tests.support.waiting import until

NOTIFY = "SELECT pg_notify(%s, %s)"


class Receiver:
    """Counts notifications. The first `failures` calls of `on_listening` fail."""

    def __init__(self, failures: int = 0) -> None:
        self.notifications = 0
        self.listening = 0
        self._failures = failures

    def receive(self, _: str) -> None:
        self.notifications += 1

    async def on_listening(self, _: AsyncConnection) -> None:
        self.listening += 1
        if self.listening <= self._failures:
            raise ZeroDivisionError


@asynccontextmanager
async def listening(database: Database, receiver: Receiver, **options: Any) -> AsyncIterator[None]:
    listener = Listener(
        database.app_url,
        "numbers",
        on_notification=receiver.receive,
        on_listening=receiver.on_listening,
        **options,
    )
    listener.start()
    await until(lambda: receiver.listening > receiver._failures)
    yield
    await listener.stop()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.postgres.listener.RECONNECT_SECONDS", 0.05)


def failures() -> float:
    """How often a listener has failed, as the metrics say."""
    return sample("palimpsest_listener_failures_total", {"channel": "numbers"}) or 0.0


async def test_m3_no_payload_ends_it(database: Database) -> None:
    receiver = Receiver()
    async with listening(database, receiver):
        for payload in ("1", "garbage", ""):
            rows(database.app_url, NOTIFY, "numbers", payload)
        await until(lambda: receiver.notifications == 3)
    assert receiver.listening == 1


async def test_while_nothing_comes_it_sleeps(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, receiver, timers = asyncio.get_running_loop(), Receiver(), list[float]()
    call_later = loop.call_later

    def noted(delay: float, *more: Any, **options: Any) -> asyncio.TimerHandle:
        timers.append(delay)
        return call_later(delay, *more, **options)

    async with listening(database, receiver):
        rows(database.app_url, NOTIFY, "numbers", "1")
        await until(lambda: receiver.notifications == 1)
        await asyncio.sleep(0.05)
        monkeypatch.setattr(loop, "call_later", noted)
        await asyncio.sleep(0.35)
        assert timers == [0.35]
        rows(database.app_url, NOTIFY, "numbers", "1")
        await until(lambda: receiver.notifications == 2)


@pytest.mark.parametrize("seconds", [0.01, 300])
async def test_it_polls_in_time_and_after_a_notification(database: Database, seconds: float) -> None:
    receiver, polls = Receiver(), list[None]()

    async def poll(_: AsyncConnection) -> None:
        polls.append(None)

    async with listening(database, receiver, on_poll=poll, poll_seconds=seconds):
        for number in (1, 2):
            if seconds > 1:
                rows(database.app_url, NOTIFY, "numbers", "1")
            await until(lambda number=number: len(polls) >= number)  # type: ignore[misc]


async def test_m3_after_an_error_of_a_query_it_begins_again_and_is_counted(database: Database) -> None:
    before, receiver = failures(), Receiver(failures=2)
    async with listening(database, receiver):
        rows(database.app_url, NOTIFY, "numbers", "1")
        await until(lambda: receiver.notifications == 1)
    assert receiver.listening == 3
    assert failures() == before + 2


async def test_m3_after_its_connection_was_ended_it_begins_again_and_is_counted(database: Database) -> None:
    before, receiver = failures(), Receiver()
    async with listening(database, receiver):
        disconnect(database.admin_url, statement="LISTEN%")
        await until(lambda: receiver.listening == 2)
        rows(database.app_url, NOTIFY, "numbers", "1")
        await until(lambda: receiver.notifications == 1)
    assert failures() == before + 1


async def test_m3_forged_notifications_wake_a_feed_and_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.store.feed.POLL_SECONDS", 300)
    async with open_store(database.app_url) as opened:
        feed = opened.feed()
        await feed.start()
        await feed.wait(0, 300)
        for payload in ("garbage", "999999"):
            assert await feed.read(0, 10) == []
            waiting = asyncio.create_task(feed.wait(0, 300))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            rows(database.app_url, NOTIFY, "palimpsest_appended", payload)
            async with asyncio.timeout(30):
                await waiting
        assert await feed.read(0, 10) == []
        waiting = asyncio.create_task(feed.wait(0, 300))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        await opened.store.append([Note.write(uuid4(), "text")], CALL, None)
        async with asyncio.timeout(30):
            await waiting
        await feed.stop()


async def test_m3_forged_notifications_move_no_position(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.projector.position_tracker.POLL_SECONDS", 300)
    positions = PositionTracker(database.app_url)
    rows(database.app_url, "INSERT INTO projections (name, version, position) VALUES ('notes', 1, 3)")
    await positions.start()
    await until(lambda: positions.known("notes") == 3)
    waiting = asyncio.create_task(positions.wait("notes", 4, 30))
    for payload in ("garbage", "notes:", "notes:999999"):
        rows(database.app_url, NOTIFY, "palimpsest_projected", payload)
    assert await positions.wait("notes", 4, 0.1) == 1
    rows(database.app_url, "UPDATE projections SET position = 4 WHERE name = 'notes'")
    rows(database.app_url, NOTIFY, "palimpsest_projected", "")
    assert await waiting == 0
    await positions.stop()
