"""Turns: those who were overtaken on the same streams go one after the other, in the order they came."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary


class StreamLocks:
    """One lock a stream, as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, stream_ids: Iterable[UUID]) -> AsyncIterator[None]:
        """Wait for one's turn on all of the streams, and hold it."""
        async with AsyncExitStack() as stack:
            # Always in the same order, so that no two wait for each other.
            for stream_id in sorted(set(stream_ids)):
                await stack.enter_async_context(self._lock(stream_id))
            yield

    def _lock(self, stream_id: UUID) -> asyncio.Lock:
        lock = self._locks.get(stream_id)
        if lock is None:
            lock = self._locks[stream_id] = asyncio.Lock()
        return lock
