"""A bound on the memory of request bodies that are being received, in all and for each client address."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from adapters.http.api.problems import Overload
from adapters.http.api.schemas import Body


class BodyBudget:
    """Counts the bytes of bodies in flight.

    The beginning of each body does not count: the number of connections bounds it. So small bodies such as logins are
    received even while large ones take all the room.
    """

    def __init__(self, total: int = 256 * 2**20, per_address: int = 64 * 2**20) -> None:
        self.held = 0
        self._total, self._per_address = total, per_address
        self._by_address: Counter[str] = Counter()

    @contextmanager
    def share(self, address: str) -> Iterator[Callable[[int], None]]:
        """Yield what takes bytes for one body; all of them are free again at the end. It raises `Overload`."""
        taken, free = 0, Body.MAX_BYTES

        def take(size: int) -> None:
            nonlocal taken, free
            counted, free = max(0, size - free), max(0, free - size)
            if counted and self._is_too_much(counted, address):
                raise Overload
            taken += counted
            self.held += counted
            self._by_address[address] += counted

        try:
            yield take
        finally:
            self.held -= taken
            self._by_address[address] -= taken
            if not self._by_address[address]:
                del self._by_address[address]

    def _is_too_much(self, size: int, address: str) -> bool:
        return self.held + size > self._total or self._by_address[address] + size > self._per_address
