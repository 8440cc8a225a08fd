"""How long things live: processes until a signal comes, waiting until what it is for is there, objects of the start."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from signal import SIGINT, SIGTERM
from typing import Any

import structlog

from application.ports import Unavailable

PATIENCE_SECONDS = 1.0

log = structlog.get_logger(__name__)


def collect_rarely() -> None:
    """Call it once all is loaded. What start-up made stays; collecting it again and again is what made the slowest
    answers slow, and rebuilds take twice as long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; SIGINT or SIGTERM cancels it, which is then no failure."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for signal in (SIGINT, SIGTERM):
        loop.add_signal_handler(signal, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def once_available(work: Callable[[], Awaitable[None]]) -> None:
    """Do it as soon as the servers it needs answer."""
    while True:
        try:
            return await work()
        except Unavailable as error:
            log.warning("waiting", reason=str(error))
            await asyncio.sleep(PATIENCE_SECONDS)


async def cancelled(task: "asyncio.Task[Any]") -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
