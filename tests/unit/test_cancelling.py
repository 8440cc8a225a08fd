"""A task that is cancelled ends, even where a driver swallows the cancellation."""

import asyncio
from contextlib import suppress

import pytest

from infra.asyncio_compat import end_if_cancelled, goes_on


async def swallow() -> None:
    """As `asyncio.wait_for` does now and then."""
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)


async def test_a_loop_ends_although_its_cancellation_was_swallowed() -> None:
    async def work() -> int:
        turns = 0
        while goes_on():
            await swallow()
            turns += 1
        return turns

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == 1


async def test_a_swallowed_cancellation_is_raised_again() -> None:
    async def work() -> None:
        await swallow()
        end_if_cancelled()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
