"""Events of the log in memory: read once for all readers, bounded by number and by bytes."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from application.ports import RecordedEvent
from infra.projector import read_ahead
from infra.projector.read_ahead import BufferedFeed
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, news


class CountedFeed(MemoryFeed):
    """A log that counts how often each event is read."""

    def __init__(self, sizes: Sequence[int], page: int = 2**62) -> None:
        events = news(note(1, *["line"] * (len(sizes) - 1)))
        super().__init__([replace(event, size=size) for event, size in zip(events, sizes, strict=True)], page)
        self.times = [0] * len(sizes)

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        events = await super().read(after, limit)
        for event in events:
            self.times[event.position - 1] += 1
        return events


async def read_twice(log: CountedFeed) -> list[int]:
    """Read the log to its end, then its last three events again. Returns how often each event was read from the log."""
    feed = BufferedFeed(log)
    for position in (0, len(log.events) - 3):
        after = position
        while page := await feed.read(after, 100):
            after = page[-1].position
    await feed.stop()
    return log.times


async def test_what_is_in_memory_is_not_read_again() -> None:
    assert await read_twice(CountedFeed([10] * 6, page=2)) == [1] * 6


async def test_h3_memory_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "MAX_KEPT_BYTES", 100)
    assert await read_twice(CountedFeed([10, 10, 10, 90, 20, 30], page=1)) == [1, 1, 1, 2, 1, 1]


async def test_h3_an_event_beyond_the_bound_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "MAX_KEPT_BYTES", 100)
    assert await read_twice(CountedFeed([10, 10, 10, 10, 10, 101])) == [1, 1, 1, 2, 2, 2]


async def test_memory_is_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "MAX_KEPT_EVENTS", 2)
    assert await read_twice(CountedFeed([10] * 6, page=1)) == [1, 1, 1, 2, 1, 1]
