"""Event buffer of one process: each batch of the log is read and decoded once for all its readers.

Events are in memory unsealed, so `infra/postgres/cache_lease.py` says when they may be and when to drop them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from application.ports import EventFeed, RecordedEvent

MAX_KEPT_EVENTS = 2_000
MAX_KEPT_BYTES = 8 * 1024 * 1024
"""Bytes of the stored events that are kept. In memory they take about four times as much."""


class BufferedFeed:
    """Feed with its latest events in memory. After a page of as many events as allowed it reads the next one ahead.

    `may_be_used`: whether events may be kept in memory now. If not, they are dropped, and read from the log.
    """

    def __init__(self, feed: EventFeed, may_be_used: Callable[[], bool] = lambda: True) -> None:
        self._feed = feed
        self._may_be_used = may_be_used
        self._kept: deque[RecordedEvent] = deque()
        self._kept_bytes = 0
        self._ahead: tuple[int, asyncio.Task[Sequence[RecordedEvent]]] | None = None
        self._reading = asyncio.Lock()
        self._drops = 0

    def drop(self, _: object) -> None:
        """Forget all events in memory: a data key was erased, and they may hold what it sealed."""
        self._clear()
        self._drops += 1
        if self._ahead is not None:
            self._ahead[1].cancel()
            self._ahead = None

    async def stop(self) -> None:
        """Cancel reading ahead."""
        if self._ahead is not None:
            self._ahead[1].cancel()
            await asyncio.gather(self._ahead[1], return_exceptions=True)

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after the position `after`, in order."""
        async with self._reading:
            if not self._may_be_used():
                self.drop(None)
                return await self._feed.read(after, limit)
            kept = self._from_memory(after, limit)
            if kept:
                return kept
            drops = self._drops
            events = await self._read(after, limit)
            if drops != self._drops:
                return events
            self._keep(after, events)
            return events

    def _keep(self, after: int, events: Sequence[RecordedEvent]) -> None:
        """Keep the events after `after`, if they are newer than those in memory."""
        if not events or (self._kept and events[-1].position <= self._kept[-1].position):
            return
        if self._kept and self._kept[-1].position != after:
            self._clear()
        self._kept.extend(events)
        self._kept_bytes += sum([event.size for event in events])
        while len(self._kept) > MAX_KEPT_EVENTS or self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= self._kept.popleft().size

    def _clear(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0

    async def _read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        events = await self._from_ahead(after, limit) or await self._feed.read(after, limit)
        if len(events) == limit and self._ahead is None:
            last = events[-1].position
            self._ahead = last, asyncio.ensure_future(self._feed.read(last, limit))
        return events

    async def _from_ahead(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        if self._ahead is None:
            return ()
        position, reading = self._ahead
        if position == after or reading.done():
            self._ahead = None
            [events] = await asyncio.gather(reading, return_exceptions=True)
            if position == after and not isinstance(events, BaseException):
                return events[:limit]
        return ()

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be events after `after`, at the latest after `timeout` seconds."""
        if not self._kept or self._kept[-1].position <= after:
            await self._feed.wait(after, timeout)

    def _from_memory(self, after: int, limit: int) -> list[RecordedEvent]:
        # Positions have no gaps, so the index of an event follows from its position.
        if not self._kept or not self._kept[0].position <= after + 1 <= self._kept[-1].position:
            return []
        start = after + 1 - self._kept[0].position
        return list(islice(self._kept, start, start + limit))
