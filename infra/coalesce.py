"""Coalesces concurrent calls: while one batch runs, the items of the next one are collected.

`Coalescer` is for reads by key (the DataLoader pattern), `Batcher` for calls of which each counts.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Turns many concurrent calls of `get(key)` into few of `fetch(keys)`, with at most `limit` keys each.

    A get never joins a running fetch, so it reads everything that was committed before the call.
    """

    def __init__(self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]], *, limit: int = 256) -> None:
        self._fetch = fetch
        self._limit = limit
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """The value of `key`; None if the fetch returns none. Raises the error of the fetch."""
        return await self._wait(key)

    async def all(self, keys: Iterable[K]) -> list[V]:
        """The values of those keys that have one. Raises the error of the first fetch that fails."""
        found = await asyncio.gather(*[self._wait(key) for key in keys])
        return [value for value in found if value is not None]

    def _wait(self, key: K) -> "asyncio.Future[V | None]":
        # One future per caller: cancelling one must not cancel others that wait for the same key.
        future: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[: self._limit]
                batch = {key: self._waiting.pop(key) for key in keys}
                await self._fetch_batch(batch)
        finally:
            self._running = None

    async def _fetch_batch(self, batch: Mapping[K, "list[asyncio.Future[V | None]]"]) -> None:
        try:
            found = await self._fetch(list(batch))
        except Exception as error:
            for future in _not_done(batch.values()):
                future.set_exception(error)
                # Marks the error as seen: the caller may have been cancelled.
                future.exception()
            return
        for key, futures in batch.items():
            value = found.get(key)
            for future in _not_done([futures]):
                future.set_result(value)


class Batcher(Generic[K, V]):
    """Turns many concurrent calls of `run(item)` into few of `run_all(items)`, with at most `limit` items each.

    `run_all` returns the results in the order of the items. No item joins a batch that runs.
    """

    def __init__(self, run_all: Callable[[Sequence[K]], Awaitable[Sequence[V]]], *, limit: int = 256) -> None:
        self._run_all = run_all
        self._limit = limit
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._running: asyncio.Task[None] | None = None

    def run(self, item: K) -> "asyncio.Future[V]":
        """Return the result of an item, to be awaited. Awaiting it raises the error of the batch."""
        future: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._run_batch(batch)
        finally:
            self._running = None

    async def _run_batch(self, batch: Sequence[tuple[K, "asyncio.Future[V]"]]) -> None:
        try:
            results = await self._run_all([item for item, _ in batch])
        except Exception as error:
            for future in _not_done([[future for _, future in batch]]):
                future.set_exception(error)
                # Marks the error as seen: the caller may have been cancelled.
                future.exception()
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)


def _not_done(waiting: Iterable["list[asyncio.Future[V]]"]) -> "list[asyncio.Future[V]]":
    return [future for futures in waiting for future in futures if not future.done()]
