"""Requests in line for the writer: those that touch the same thing keep their order, all others may go together."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

MOST_REQUESTS = 256
MOST_BYTES = 8 * 1024 * 1024


class Requested(Protocol):
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


R = TypeVar("R", bound=Requested)
V = TypeVar("V")


@dataclass(eq=False, slots=True)
class Entry(Generic[R, V]):
    """A request, who waits for its verdict, and how many others it waits for."""

    request: R
    verdict: "asyncio.Future[V]"
    touches: tuple[object, ...] = field(init=False)
    ahead: int = 0

    def __post_init__(self) -> None:
        self.touches = tuple(dict.fromkeys(self.request.touches()))


class Line(Generic[R, V]):
    """Gives out batches of entries that do not touch each other."""

    def __init__(self) -> None:
        self._ready: deque[Entry[R, V]] = deque()
        self._lines: dict[object, deque[Entry[R, V]]] = {}

    def add(self, entry: Entry[R, V]) -> None:
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

    def take(self, most: int = MOST_REQUESTS) -> list[Entry[R, V]]:
        """The next batch, within bounds. Its entries stay in line until they `leave`."""
        batch: list[Entry[R, V]] = []
        size = 0
        while self._ready and len(batch) < min(most, MOST_REQUESTS) and size < MOST_BYTES:
            entry = self._ready.popleft()
            batch.append(entry)
            size += entry.request.size()
        return batch

    def leave(self, entry: Entry[R, V]) -> None:
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

    def overtaken(self, entry: Entry[R, V], reached: Callable[[int], int]) -> list[Entry[R, V]]:
        """Those behind the entry that were decided on an older version of one of its streams than it has `reached`."""
        behind: dict[int, Entry[R, V]] = {}
        for stream in entry.request.expected:
            line = self._lines[stream]
            if len(line) > 1:
                version = reached(stream)
                behind |= {id(other): other for other in line if other.request.expected[stream] < version}
        behind.pop(id(entry), None)
        return list(behind.values())
