"""Workaround: before Python 3.12 `asyncio.wait_for` may swallow a cancellation (CPython issue 86296).

psycopg and redis use `wait_for`. The task itself still knows that it was cancelled.
"""

import asyncio


def goes_on() -> bool:
    """Whether the current task has not been cancelled; for loops that run until their task is cancelled."""
    task = asyncio.current_task()
    return task is None or not task.cancelling()


def end_if_cancelled() -> None:
    """Raise the cancellation that a driver may have swallowed."""
    if not goes_on():
        raise asyncio.CancelledError
