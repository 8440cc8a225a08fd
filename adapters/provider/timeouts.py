"""Time limits of an answer."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

END_SECONDS = 1.0
"""From the last event that counts to the end of the stream: one that is read to its end leaves its connection."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect; from the request to the first text; then between texts; and for the whole answer."""

    connect: float = 5.0
    first_text: float = 60.0
    between: float = 30.0
    total: float = 600.0


class AnswerDeadlines:
    """The time limits of one answer, from now on. Only text prolongs them: events without text do not."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._now = asyncio.get_running_loop().time
        self._end = self._now() + timeouts.total
        self._next = min(self._end, self._now() + timeouts.first_text)

    def until_next(self) -> asyncio.Timeout:
        """Return the limit of all steps until the next text, or until the end of the stream."""
        return asyncio.timeout_at(self._next)

    def note_text(self) -> None:
        """Begin to wait for the next text."""
        self._next = min(self._end, self._now() + self._timeouts.between)

    def note_end(self) -> None:
        """Begin to wait for the end of the stream: nothing else is missing."""
        self._next = min(self._end, self._now() + END_SECONDS)


async def next_of(items: AsyncIterator[T]) -> T | None:
    """Return the next of some items; None: there are no more."""
    return await anext(items, None)
