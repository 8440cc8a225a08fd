"""Charges of a command: what it has taken of limits is given back unless it changes something.

A handler runs again for a repeat with the same Idempotency-Key, and after a version conflict.
"""

from collections.abc import Awaitable, Callable


class Charges:
    """What one run of a handler has taken of limits."""

    def __init__(self) -> None:
        self._give_back: list[Callable[[], Awaitable[None]]] = []

    def __bool__(self) -> bool:
        return bool(self._give_back)

    def add(self, give_back: Callable[[], Awaitable[None]]) -> None:
        """Add what gives a charge back."""
        self._give_back.append(give_back)

    async def give_back(self) -> None:
        """Give all back."""
        for give_back in self._give_back:
            await give_back()
