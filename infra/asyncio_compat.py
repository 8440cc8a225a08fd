"""Workaround: before Python 3.12 `asyncio.wait_for` may swallow a cancellation (CPython issue 86296)."""

import asyncio


def goes_on() -> bool:
    """Whether the current task has not been cancelled; the condition of loops that run until then.

    `asyncio.wait_for`, which the drivers use, loses a cancellation that arrives together with the awaited result. The
    task itself still knows it.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()


def end_if_cancelled() -> None:
    """Raise the cancellation that a driver may have swallowed."""
    if not goes_on():
        raise asyncio.CancelledError
