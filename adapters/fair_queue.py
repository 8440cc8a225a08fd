"""A queue that the networks of clients share: they take turns, however many entries each of them has."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from adapters.client_network import client_network

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Entries of networks. Those of one network leave in order of arrival."""

    def __init__(self) -> None:
        self._length = 0
        self._by_network: dict[str, deque[T]] = {}
        """Networks with entries, in the order of their next turns."""

    def __len__(self) -> int:
        return self._length

    def add(self, network: str, entry: T) -> None:
        """Add an entry. The first entry of a network gives it the last turn."""
        self._by_network.setdefault(network, deque()).append(entry)
        self._length += 1

    def discard(self, network: str, entry: T) -> None:
        """Remove an entry, if it is there."""
        if entry in self._by_network.get(network, ()):
            self._by_network[network].remove(entry)
            self._removed_one(network)

    def take(self, is_ready: Callable[[T], bool] = lambda _: True) -> T | None:
        """Remove and return the oldest entry of the first network where it is ready; None: there is no such entry.

        The network has its next turn after all others.
        """
        for network, entries in self._by_network.items():
            if is_ready(entries[0]):
                entry = entries.popleft()
                del self._by_network[network]
                self._by_network[network] = entries
                self._removed_one(network)
                return entry
        return None

    def take_newest_of_longest(self, newcomer: str) -> T:
        """Remove and return the newest entry of the network with the most; of the newcomer's if it has as many.

        Raises:
            ValueError: the queue is empty.
        """
        longest = max(self._by_network, key=lambda network: (len(self._by_network[network]), network == newcomer))
        entry = self._by_network[longest].pop()
        self._removed_one(longest)
        return entry

    def _removed_one(self, network: str) -> None:
        self._length -= 1
        if not self._by_network[network]:
            del self._by_network[network]


class TooManyWait(Exception):
    """The queue is full."""


class FairTurns:
    """Turns at something that `number` calls may use at a time. The networks of clients take turns at it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._running = 0
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()

    @asynccontextmanager
    async def turn(self, max_calls: int | None = None) -> AsyncIterator[None]:
        """Wait for a turn, in the name of the network whose request runs, and take it.

        `max_calls`: calls that run or wait; if there are more, the network with the most loses its newest one.

        Raises:
            TooManyWait: this call is the one to go.
        """
        await self._wait(client_network.get(), max_calls)
        try:
            yield
        finally:
            self._end_turn()

    async def _wait(self, network: str, max_calls: int | None) -> None:
        if self._running < self._number:
            self._running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.add(network, turn)
        if max_calls is not None and self._running + len(self._waiting) > max_calls:
            refused = self._waiting.take_newest_of_longest(network)
            if not refused.done():
                refused.set_exception(TooManyWait())
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.discard(network, turn)
            if not turn.cancelled() and turn.exception() is None:
                self._end_turn()
            raise

    def _end_turn(self) -> None:
        # A call that was cancelled just now is still in the queue.
        while (following := self._waiting.take()) is not None:
            if not following.done():
                following.set_result(None)
                return
        self._running -= 1
