"""Calls that come together share a round trip; each sees its own result and its own errors."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from infra.coalesce import Batcher, Coalescer


class Table:
    """Answers each key with its double once `answers` is set; records the keys of each fetch."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.answers = asyncio.Event()
        self.error: Exception | None = None

    async def fetch(self, keys: list[int]) -> Mapping[int, int]:
        self.asked.append(keys)
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        return {key: key * 2 for key in keys if key >= 0}


async def begun(table: Table, coalescer: Coalescer[int, int], *keys: int) -> list["asyncio.Task[int | None]"]:
    """Tasks of gets that have started."""
    tasks = [asyncio.create_task(coalescer.get(key)) for key in keys]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_gets_that_come_while_a_fetch_is_running_share_the_next_fetch() -> None:
    table = Table()
    coalescer = Coalescer(table.fetch)
    tasks = await begun(table, coalescer, 1) + await begun(table, coalescer, 2, 3, 2, -1)
    table.answers.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 4, None]
    assert table.asked == [[1], [2, 3, -1]]


async def test_a_get_does_not_join_a_fetch_that_has_begun() -> None:
    table = Table()
    coalescer = Coalescer(table.fetch)
    tasks = await begun(table, coalescer, 1) + await begun(table, coalescer, 1)
    table.answers.set()
    assert await asyncio.gather(*tasks) == [2, 2]
    assert table.asked == [[1], [1]]


async def test_a_cancelled_get_does_not_cancel_the_others() -> None:
    table = Table()
    coalescer = Coalescer(table.fetch)
    cancelled, other = await begun(table, coalescer, 1, 1)
    cancelled.cancel()
    table.answers.set()
    assert await other == 2
    assert cancelled.cancelled()


async def test_an_error_reaches_all_waiting_gets_and_no_later_one() -> None:
    table = Table()
    coalescer = Coalescer(table.fetch)
    tasks = await begun(table, coalescer, 1, 1, 2)
    table.error = OSError("gone")
    table.answers.set()
    assert [type(found) for found in await asyncio.gather(*tasks, return_exceptions=True)] == [OSError] * 3
    table.error = None
    assert await coalescer.get(1) == 2


@pytest.mark.parametrize(("limit", "fetches"), [(2, 3), (5, 1)])
async def test_a_fetch_asks_for_no_more_keys_than_its_limit(limit: int, fetches: int) -> None:
    table = Table()
    table.answers.set()
    coalescer = Coalescer(table.fetch, limit=limit)
    assert await asyncio.gather(*[coalescer.get(key) for key in range(5)]) == [0, 2, 4, 6, 8]
    assert len(table.asked) == fetches


class Counters:
    """Counts calls by key once `answers` is set; records the keys of each batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.answers = asyncio.Event()
        self.error: Exception | None = None

    async def count_all(self, keys: Sequence[str]) -> Sequence[int]:
        self.batches.append([*keys])
        await self.answers.wait()
        if self.error is not None:
            raise self.error
        counted = [key for batch in self.batches[:-1] for key in batch]
        return [[*counted, *keys[: at + 1]].count(key) for at, key in enumerate(keys)]


async def counted(counters: Counters, batcher: Batcher[str, int], *keys: str) -> list["asyncio.Future[int]"]:
    """Calls that have started."""
    calls = [batcher.run(key) for key in keys]
    for _ in range(3):
        await asyncio.sleep(0)
    return calls


async def test_calls_that_come_while_a_batch_is_running_share_the_next_one_and_each_counts() -> None:
    counters = Counters()
    batcher = Batcher(counters.count_all)
    calls = await counted(counters, batcher, "a") + await counted(counters, batcher, "a", "b", "a")
    counters.answers.set()
    assert await asyncio.gather(*calls) == [1, 2, 1, 3]
    assert counters.batches == [["a"], ["a", "b", "a"]]


async def test_a_batch_has_a_bounded_size() -> None:
    counters = Counters()
    batcher = Batcher(counters.count_all, limit=2)
    calls = await counted(counters, batcher, *"abcde")
    counters.answers.set()
    await asyncio.gather(*calls)
    assert counters.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_cancelled_call_leaves_the_others_of_its_batch() -> None:
    counters = Counters()
    batcher = Batcher(counters.count_all)
    cancelled, other = await counted(counters, batcher, "a", "b")
    cancelled.cancel()
    counters.answers.set()
    assert await other == 1
    assert cancelled.cancelled()


async def test_an_error_reaches_all_calls_of_its_batch_and_none_after_it() -> None:
    counters = Counters()
    batcher = Batcher(counters.count_all)
    calls = await counted(counters, batcher, "a", "b")
    counters.error = RuntimeError("no answer")
    counters.answers.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert found == [counters.error] * 2
    counters.error = None
    assert await batcher.run("c") == 1
