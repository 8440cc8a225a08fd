"""Gets that are in flight at once share one round trip: while one fetch is under way, the next one's keys gather."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
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
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """The value of `key`, or None where the fetch has none. Raises what the fetch raised."""
        # A future for each caller: one's cancellation must not cancel the others that wait for the same key.
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[: self._limit]
                batch = {key: self._waiting.pop(key) for key in keys}
                await self._answer(batch)
        finally:
            self._running = None

    async def _answer(self, batch: Mapping[K, "list[asyncio.Future[V | None]]"]) -> None:
        try:
            found = await self._fetch(list(batch))
        except Exception as error:
            for future in _open(batch.values()):
                future.set_exception(error)
                # Its caller may have given up since; then nobody is to be told.
                future.exception()
            return
        for key, futures in batch.items():
            value = found.get(key)
            for future in _open([futures]):
                future.set_result(value)


def _open(waiting: Iterable["list[asyncio.Future[V]]"]) -> "list[asyncio.Future[V]]":
    return [future for futures in waiting for future in futures if not future.done()]
