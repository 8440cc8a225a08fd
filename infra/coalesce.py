"""Gets that are in flight at once share one round trip: while one fetch is under way, the next one's keys gather."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Turns many concurrent `get(key)` into few `fetch(keys)`.

    A get never joins a fetch that has begun, so it sees whatever was committed before it was called.
    """

    def __init__(self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]], *, limit: int = 256) -> None:
        self._fetch = fetch
        self._limit = limit
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """The value of `key`, or None where the fetch has none. Raises what the fetch raised."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        # One caller's cancellation must not cancel the others that wait for the same key.
        return await asyncio.shield(future)

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[: self._limit]
                batch = {key: self._waiting.pop(key) for key in keys}
                await self._answer(batch)
        finally:
            self._running = None

    async def _answer(self, batch: dict[K, "asyncio.Future[V | None]"]) -> None:
        try:
            found = await self._fetch(list(batch))
        except Exception as error:
            for future in batch.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()
            return
        for key, future in batch.items():
            if not future.done():
                future.set_result(found.get(key))
