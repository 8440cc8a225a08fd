"""Time limits of an answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

END_SECONDS = 1.0
"""From the last event that counts to the end of the stream."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect; from the request to the first text; then between events; and for the whole answer."""

    connect: float = 5.0
    first_text: float = 60.0
    between: float = 30.0
    total: float = 600.0


class AnswerDeadlines:
    """The time limits of one answer, from now on."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._now = asyncio.get_running_loop().time
        self._end = self._now() + timeouts.total
        self._first = min(self._end, self._now() + timeouts.first_text)

    def until_first(self) -> asyncio.Timeout:
        """Return the limit of all steps until the first text."""
        return asyncio.timeout_at(self._first)

    def until_next(self, *, is_over: bool) -> asyncio.Timeout:
        """Return the limit of the next step after the first text. `is_over`: only the end of the stream is missing.

        A stream that is read to its end leaves its connection to the next request.
        """
        return asyncio.timeout_at(min(self._end, self._now() + (END_SECONDS if is_over else self._timeouts.between)))


async def next_of(items: AsyncIterator[T]) -> T | None:
    """Return the next of some items; None: there are no more."""
    return await anext(items, None)
