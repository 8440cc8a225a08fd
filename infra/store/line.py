"""Requests in line for the writer: those that touch the same thing keep their order, all others may go together."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar
from uuid import UUID

MOST_REQUESTS = 256
MOST_BYTES = 8 * 1024 * 1024


class Requested(Protocol):
    """What the line must know of a request. `expected`: the version that each stream had when it was decided."""

    @property
    def expected(self) -> dict[UUID, int]: ...

    def touches(self) -> Iterator[object]:
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

    def __bool__(self) -> bool:
        return bool(self._ready)

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

    def take(self) -> list[Entry[R, V]]:
        """The next batch, within bounds. Its entries stay in line until they `leave`."""
        batch: list[Entry[R, V]] = []
        size = 0
        while self._ready and len(batch) < MOST_REQUESTS and size < MOST_BYTES:
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

    def overtaken(self, entry: Entry[R, V], reached: Callable[[UUID], int]) -> list[Entry[R, V]]:
        """Those behind the entry that were decided on an older version of one of its streams than it has `reached`."""
        behind: dict[int, Entry[R, V]] = {}
        for stream_id in entry.request.expected:
            for other in self._lines[stream_id]:
                if other is not entry and other.request.expected[stream_id] < reached(stream_id):
                    behind[id(other)] = other
        return list(behind.values())
