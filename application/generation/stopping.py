"""Work that a worker finishes although it has to stop: a repeat would cost money, or lose text."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

STOP_SECONDS = 4.0
"""The longest time to finish. Jobs of a worker that stops are cancelled after 10 seconds (`infra/jobs/worker.py`), and
after 15 seconds it is killed."""


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Do some work, and return its result. If the task is cancelled meanwhile, the work is finished all the same.

    Raises:
        asyncio.CancelledError: the task was cancelled. The work has ended, or takes longer than `STOP_SECONDS`.
    """
    working = asyncio.create_task(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.gather(working, return_exceptions=True)
        raise
