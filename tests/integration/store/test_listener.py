"""The listener outlives its errors: of its receiver, of its queries, and of its connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from infra.postgres.connect import AsyncConnection
from infra.postgres.listener import Listener
from infra.projector.position_tracker import PositionTracker
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stores import CALL, disconnect, open_store, rows
from tests.support.waiting import until

NOTIFY = "SELECT pg_notify(%s, %s)"


class Receiver:
    """Collects integers. The first `failures` calls of `on_listening` fail."""

    def __init__(self, failures: int = 0) -> None:
        self.numbers: list[int] = []
        self.listening = 0
        self._failures = failures

    def receive(self, payload: str) -> None:
        self.numbers.append(int(payload))

    async def on_listening(self, _: AsyncConnection) -> None:
        self.listening += 1
        if self.listening <= self._failures:
            raise ZeroDivisionError


@asynccontextmanager
async def listening(database: Database, receiver: Receiver) -> AsyncIterator[None]:
    listener = Listener(
        database.app_url, "numbers", receiver.receive, poll_seconds=0.05, on_listening=receiver.on_listening
    )
    listener.start()
    await until(lambda: receiver.listening > receiver._failures)
    yield
    await listener.stop()


async def test_a_malformed_notification_does_not_end_it(database: Database) -> None:
    receiver = Receiver()
    async with listening(database, receiver):
        for payload in ("1", "garbage", "2"):
            rows(database.app_url, NOTIFY, "numbers", payload)
        await until(lambda: receiver.numbers == [1, 2])
    assert receiver.listening == 1


async def test_after_an_error_of_a_query_it_begins_again(database: Database) -> None:
    receiver = Receiver(failures=2)
    async with listening(database, receiver):
        rows(database.app_url, NOTIFY, "numbers", "1")
        await until(lambda: receiver.numbers == [1])
    assert receiver.listening == 3


async def test_after_its_connection_was_ended_it_begins_again(database: Database) -> None:
    receiver = Receiver()
    async with listening(database, receiver):
        disconnect(database.admin_url, statement="LISTEN%")
        await until(lambda: receiver.listening == 2)
        rows(database.app_url, NOTIFY, "numbers", "1")
        await until(lambda: receiver.numbers == [1])


async def test_garbage_on_the_channel_of_the_log_wakes_a_feed_and_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.store.feed.POLL_SECONDS", 300)
    async with open_store(database.app_url) as opened:
        feed = opened.feed()
        await feed.start()
        await feed.wait(0, 300)
        for send in (
            lambda: asyncio.to_thread(rows, database.app_url, NOTIFY, "palimpsest_appended", "garbage"),
            lambda: opened.store.append([Note.write(uuid4(), "text")], CALL, None),
        ):
            waiting = asyncio.create_task(feed.wait(0, 300))
            await asyncio.sleep(0)
            await send()
            async with asyncio.timeout(30):
                await waiting
        await feed.stop()


async def test_garbage_on_the_channel_of_projections_does_not_stop_a_tracker(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.projector.position_tracker.POLL_SECONDS", 300)
    positions = PositionTracker(database.app_url)
    rows(database.app_url, "INSERT INTO projections (name, version, position) VALUES ('notes', 1, 3)")
    await positions.start()
    await until(lambda: positions.known("notes") == 3)
    for payload in ("garbage", "notes:", "notes:4"):
        rows(database.app_url, NOTIFY, "palimpsest_projected", payload)
    assert await positions.wait("notes", 4, 30) == 0
    await positions.stop()
