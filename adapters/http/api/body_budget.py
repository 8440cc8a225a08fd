"""A bound on the memory of large request bodies that are being received, in all and for each network of clients."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.fair_queue import FairQueue
from adapters.http.api.problems import Overload

EVICTION_SECONDS = 2.0
"""How long a body waits for room before another one is evicted for it, and how long between two evictions."""
MAX_WAIT_SECONDS = 10.0


class LargeBody:
    """A body of `size` bytes that waits for room or holds it. `admitted` is done once it has got it."""

    def __init__(self, network: str, size: int) -> None:
        self.network = network
        self.size = size
        self.admitted = asyncio.get_running_loop().create_future()
        self.holds_room = False
        self.time = asyncio.timeout(None)


class BodyBudget:
    """Counts the bytes of large bodies in flight.

    A body that finds no room waits; networks take turns at what becomes free. If that takes long, a body is evicted:
    the oldest of the network that holds the most, if it still holds more than the waiting network then. So a few
    clients whose bodies never end keep no other out.
    """

    def __init__(self, total: int = 256 * 2**20, per_network: int = 64 * 2**20) -> None:
        self.held = 0
        self._total, self._per_network = total, per_network
        self._by_network: Counter[str] = Counter()
        self.waiting: FairQueue[LargeBody] = FairQueue()
        self._received: dict[LargeBody, None] = {}
        """The bodies that are being received, the oldest first."""

    @asynccontextmanager
    async def room(self, network: str, size: int) -> AsyncIterator[None]:
        """Wait for room for `size` bytes, and hold it meanwhile.

        Raises:
            Overload: no room became free in time, or the body was evicted for one of another network.
        """
        body = LargeBody(network, size)
        try:
            await self._wait(body)
            async with body.time:
                self._received[body] = None
                yield
        except TimeoutError:
            if body.time.expired():
                raise Overload from None
            raise
        finally:
            self.waiting.discard(network, body)
            self._free(body)

    async def _wait(self, body: LargeBody) -> None:
        self.waiting.add(body.network, body)
        self._admit()
        for _ in range(int(MAX_WAIT_SECONDS / EVICTION_SECONDS)):
            if not body.admitted.done():
                await asyncio.wait([body.admitted], timeout=EVICTION_SECONDS)
            if not body.admitted.done():
                self._evict_for(body)
        if not body.admitted.done():
            raise Overload

    def _admit(self) -> None:
        while (body := self.waiting.take(self._has_room_for)) is not None:
            body.holds_room = True
            self.held += body.size
            self._by_network[body.network] += body.size
            body.admitted.set_result(None)

    def _has_room_for(self, body: LargeBody) -> bool:
        return self.held + body.size <= self._total and self._held_with(body) <= self._per_network

    def _held_with(self, body: LargeBody) -> int:
        return self._by_network[body.network] + body.size

    def _evict_for(self, waiting: LargeBody) -> None:
        most = max(self._by_network, key=lambda network: self._by_network[network], default="")
        oldest = next((body for body in self._received if body.network == most), None)
        if oldest is not None and self._by_network[most] - oldest.size > self._held_with(waiting):
            oldest.time.reschedule(asyncio.get_running_loop().time())
            self._free(oldest)

    def _free(self, body: LargeBody) -> None:
        self._received.pop(body, None)
        if body.holds_room:
            body.holds_room = False
            self.held -= body.size
            self._by_network[body.network] -= body.size
            if not self._by_network[body.network]:
                del self._by_network[body.network]
            self._admit()
