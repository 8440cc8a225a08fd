"""Events in memory: read from the log once, and forgotten when a data key is erased or the lease has ended (H7)."""

import asyncio
from collections.abc import Sequence

import pytest

from application.ports import RecordedEvent
from infra.projector.read_ahead import BufferedFeed
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, news


class CountedFeed(MemoryFeed):
    """A log that counts its reads, and holds them up while the gate is closed."""

    def __init__(self) -> None:
        super().__init__(news(*(note(n) for n in range(1, 9))))
        self.reads: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        self.reads.append(after)
        found = await super().read(after, limit)
        await self.gate.wait()
        return found


@pytest.fixture
def log() -> CountedFeed:
    return CountedFeed()


async def read(feed: BufferedFeed, after: int, limit: int = 10) -> list[int]:
    """The positions of what is read."""
    return [event.position for event in await feed.read(after, limit)]


async def test_events_are_read_from_the_log_once(log: CountedFeed) -> None:
    feed = BufferedFeed(log)
    assert await read(feed, 0) == await read(feed, 0)
    assert await read(feed, 3) == [4, 5, 6, 7, 8]
    assert log.reads == [0]


async def test_after_a_full_batch_the_next_one_is_read_ahead(log: CountedFeed) -> None:
    feed = BufferedFeed(log)
    assert await read(feed, 0, 4) == [1, 2, 3, 4]
    await asyncio.sleep(0)
    assert log.reads == [0, 4]
    assert await read(feed, 4, 4) == [5, 6, 7, 8]
    assert log.reads == [0, 4]
    await feed.stop()


async def test_h7_dropped_events_are_read_from_the_log_again(log: CountedFeed) -> None:
    feed = BufferedFeed(log)
    await read(feed, 0, 4)
    await asyncio.sleep(0)
    feed.drop(None)
    assert await read(feed, 4, 5) == [5, 6, 7, 8]
    assert await read(feed, 0, 5) == [1, 2, 3, 4, 5]
    await feed.stop()
    assert log.reads[:4] == [0, 4, 4, 0]


@pytest.mark.parametrize("after", [0, 4])
async def test_h7_a_read_in_flight_leaves_nothing_in_memory_after_a_drop(log: CountedFeed, after: int) -> None:
    """The read from 4 was begun ahead."""
    feed = BufferedFeed(log)
    if after:
        await read(feed, 0, 4)
    log.gate.clear()
    reading = asyncio.create_task(read(feed, after, 5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    feed.drop(None)
    log.gate.set()
    assert len(await reading) in (4, 5)
    await feed.stop()
    log.reads.clear()
    await read(feed, after, 4)
    assert log.reads[0] == after


async def test_h7_without_a_lease_nothing_is_kept(log: CountedFeed) -> None:
    """The process learns of no erasure then."""
    holds = [True]
    feed = BufferedFeed(log, lambda: holds[-1])
    await read(feed, 0, 4)
    holds.append(False)
    assert await read(feed, 0, 4) == [1, 2, 3, 4]
    assert await read(feed, 4, 4) == [5, 6, 7, 8]
    holds.append(True)
    log.reads.clear()
    assert await read(feed, 0, 5) == [1, 2, 3, 4, 5]
    assert log.reads == [0]
