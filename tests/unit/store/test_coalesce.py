"""Coalesced gets share a round trip; each sees its own value and its own errors."""

import asyncio
from collections.abc import Mapping

import pytest

from infra.coalesce import Coalescer


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
