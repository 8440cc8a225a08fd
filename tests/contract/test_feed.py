"""What every feed promises, on the log in memory and on the real one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from uuid import UUID

import pytest

from application.ports import SelectiveFeed
from domain.kernel import Root
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, append, news
from tests.support.servers import Database
from tests.support.stores import open_store

NOTES = [(1, ["a", "b"]), (2, ["c"]), (3, [])]


def roots() -> list[Root]:
    """Three notes: six events."""
    return [note(number, *lines) for number, lines in NOTES]


@asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncIterator[SelectiveFeed]:
    yield MemoryFeed(news(*roots()))


@asynccontextmanager
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SelectiveFeed]:
    database: Database = request.getfixturevalue("database")
    async with open_store(database.app_url) as opened:
        await append(opened, [[root] for root in roots()])
        feed = opened.feed()
        await feed.start()
        yield feed
        await feed.stop()


@pytest.fixture(params=[memory, store], ids=["memory", "store"])
async def feed(request: pytest.FixtureRequest) -> AsyncIterator[SelectiveFeed]:
    async with request.param(request) as opened:
        yield opened


async def test_the_head_is_the_last_position(feed: SelectiveFeed) -> None:
    assert await feed.head() == 6


async def test_events_come_in_order_and_no_more_than_asked(feed: SelectiveFeed) -> None:
    assert [event.position for event in await feed.read(0, 4)] == [1, 2, 3, 4]
    assert [event.position for event in await feed.read(4, 4)] == [5, 6]
    assert await feed.read(6, 4) == []


async def test_events_tell_where_they_belong(feed: SelectiveFeed) -> None:
    first, second, *_ = await feed.read(0, 2)
    assert (first.stream_id, first.version, first.topic) == (UUID(int=1), 1, "note.written")
    assert (second.stream_id, second.version, second.topic) == (UUID(int=1), 2, "note.extended")
    assert second.recorded_at.tzinfo is not None


async def test_one_stream_comes_alone_and_within_bounds(feed: SelectiveFeed) -> None:
    assert [event.position for event in await feed.stream(UUID(int=1), 1, 6)] == [1, 2, 3]
    assert [event.position for event in await feed.stream(UUID(int=1), 2, 2)] == [2]
    assert await feed.stream(UUID(int=9), 1, 6) == []


async def test_who_waits_for_what_is_there_does_not_wait(feed: SelectiveFeed) -> None:
    started = perf_counter()
    await feed.wait(0, 5)
    assert perf_counter() - started < 2


async def test_who_waits_in_vain_does_not_wait_for_ever(feed: SelectiveFeed) -> None:
    started = perf_counter()
    await feed.wait(6, 0.05)
    assert perf_counter() - started < 2


async def test_some_streams_come_in_order_and_no_more_than_asked(feed: SelectiveFeed) -> None:
    """M7: their events only."""
    wanted = [UUID(int=3), UUID(int=1), UUID(int=9)]
    assert [event.position for event in await feed.read_streams(wanted, 1, 9)] == [2, 3, 6]
    assert [event.position for event in await feed.read_streams(wanted, 0, 2)] == [1, 2]
    assert await feed.read_streams([], 0, 9) == []
