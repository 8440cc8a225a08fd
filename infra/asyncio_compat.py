"""Being told to end, once and for all."""

import asyncio


def goes_on() -> bool:
    """Whether the task that asks has not been cancelled; for loops that run until then.

    `asyncio.wait_for`, which the drivers use, loses a cancellation that comes together with what it waits for
    (Python issue 86296, mended in 3.12). The task remembers.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()


def end_if_cancelled() -> None:
    """Raise the cancellation that a driver may have lost."""
    if not goes_on():
        raise asyncio.CancelledError
