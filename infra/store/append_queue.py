"""Requests in line for the writer: those that touch the same thing keep their order, all others may go together."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

MOST_REQUESTS = 256
MOST_BYTES = 8 * 1024 * 1024


class Appendable(Protocol):
    """What the line must know of a request. `expected`: the version that each stream had when it was decided, by the
    integer that its id stands for, which is hashed ten times as fast."""

    @property
    def expected(self) -> dict[int, int]: ...

    def touches(self) -> Iterable[object]:
        """What no other request of the same batch may touch; its streams among it."""
        ...

    def size(self) -> int:
        """Payload in bytes."""
        ...


R = TypeVar("R", bound=Appendable)
V = TypeVar("V")


class PendingAppend(Generic[R, V]):
    """A request, who waits for its verdict, and how many others it waits for."""

    __slots__ = ("ahead", "request", "touches", "verdict")

    def __init__(self, request: R, verdict: "asyncio.Future[V]") -> None:
        self.request = request
        self.verdict = verdict
        self.touches = dict.fromkeys(request.touches())
        self.ahead = 0


class AppendQueue(Generic[R, V]):
    """Gives out batches of entries that do not touch each other."""

    def __init__(self) -> None:
        self._ready: deque[PendingAppend[R, V]] = deque()
        self._lines: dict[object, deque[PendingAppend[R, V]]] = {}

    def add(self, entry: PendingAppend[R, V]) -> None:
        """Put an entry behind all those that touch what it touches."""
        for thing in entry.touches:
            line = self._lines.get(thing)
            if line is None:
                self._lines[thing] = deque([entry])
            else:
                line.append(entry)
                entry.ahead += 1
        if not entry.ahead:
            self._ready.append(entry)

    @property
    def ready(self) -> int:
        """How many could go now."""
        return len(self._ready)

    def take(self, most: int = MOST_REQUESTS) -> list[PendingAppend[R, V]]:
        """The next batch, within bounds. Its entries stay in line until they `leave`."""
        batch: list[PendingAppend[R, V]] = []
        size = 0
        while self._ready and len(batch) < min(most, MOST_REQUESTS) and size < MOST_BYTES:
            entry = self._ready.popleft()
            batch.append(entry)
            size += entry.request.size()
        return batch

    def leave(self, entry: PendingAppend[R, V]) -> None:
        """Let those behind the entry move up."""
        for thing in entry.touches:
            line = self._lines[thing]
            if line[0] is not entry:
                line.remove(entry)
                continue
            line.popleft()
            if line:
                line[0].ahead -= 1
                if not line[0].ahead:
                    self._ready.append(line[0])
            else:
                del self._lines[thing]

    def overtaken(self, entry: PendingAppend[R, V], reached: Callable[[int], int]) -> list[PendingAppend[R, V]]:
        """Those behind the entry that were decided on an older version of one of its streams than it has `reached`."""
        crowded = [stream for stream in entry.request.expected if len(self._lines[stream]) > 1]
        if not crowded:
            return []
        behind: dict[int, PendingAppend[R, V]] = {}
        for stream in crowded:
            version = reached(stream)
            behind |= {id(other): other for other in self._lines[stream] if other.request.expected[stream] < version}
        behind.pop(id(entry), None)
        return list(behind.values())
