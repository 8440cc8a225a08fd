"""Waiting in tests, in one place: until something is true, for as long as a busy machine may take."""

import asyncio
from collections.abc import Callable
from time import monotonic, sleep

MAX_WAIT_SECONDS = 60.0
PAUSE_SECONDS = 0.01


def wait_until(condition: Callable[[], object], patience: float = MAX_WAIT_SECONDS) -> float:
    """Wait for the condition. Returns the seconds it took.

    Raises:
        TimeoutError: it did not come true in time.
    """
    began = monotonic()
    while not condition():
        if monotonic() - began > patience:
            raise TimeoutError(f"not true within {patience} seconds")
        sleep(PAUSE_SECONDS)
    return monotonic() - began


async def until(condition: Callable[[], object], patience: float = MAX_WAIT_SECONDS) -> float:
    """`wait_until` for tasks: they go on between two looks.

    Raises:
        TimeoutError: it did not come true in time.
    """
    began = monotonic()
    while not condition():
        if monotonic() - began > patience:
            raise TimeoutError(f"not true within {patience} seconds")
        await asyncio.sleep(PAUSE_SECONDS)
    return monotonic() - began
