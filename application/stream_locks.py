"""Per-stream locks: commands that met a version conflict on a stream retry one at a time, in order of arrival."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary


class StreamLocks:
    """Locks by stream. A lock exists while a task holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, stream_ids: Iterable[UUID]) -> AsyncIterator[None]:
        """Wait for the locks of all the streams, and hold them."""
        async with AsyncExitStack() as stack:
            # One order for all callers prevents deadlocks.
            for stream_id in sorted(set(stream_ids)):
                await stack.enter_async_context(self._lock(stream_id))
            yield

    def _lock(self, stream_id: UUID) -> asyncio.Lock:
        lock = self._locks.get(stream_id)
        if lock is None:
            lock = self._locks[stream_id] = asyncio.Lock()
        return lock
