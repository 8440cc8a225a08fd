"""A queue of pending appends. Appends that conflict keep their order; all others may share a batch."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

MAX_BATCH_REQUESTS = 256
MAX_BATCH_BYTES = 8 * 1024 * 1024

StreamKey = int
"""A stream, by the integer of its UUID: it hashes ten times as fast as the UUID."""


class Appendable(Protocol):
    """The part of an append request that the queue needs. `expected`: the version each stream had when the request was
    decided; `judged_by`: the same of streams that it does not write."""

    @property
    def expected(self) -> dict[StreamKey, int]: ...

    @property
    def judged_by(self) -> dict[StreamKey, int]: ...

    def conflict_keys(self) -> Iterable[object]:
        """The keys that no two requests of one batch may share; the streams are among them."""
        ...

    def size(self) -> int:
        """Payload in bytes."""
        ...


R = TypeVar("R", bound=Appendable)
Outcome = TypeVar("Outcome")


class PendingAppend(Generic[R, Outcome]):
    """A request with the future of its outcome. `blocked_by`: the number of queues in which others are before it."""

    __slots__ = ("blocked_by", "conflict_keys", "outcome", "request")

    def __init__(self, request: R, outcome: "asyncio.Future[Outcome]") -> None:
        self.request = request
        self.outcome = outcome
        self.conflict_keys = dict.fromkeys(request.conflict_keys())
        self.blocked_by = 0


class AppendQueue(Generic[R, Outcome]):
    """Yields batches whose appends do not conflict with each other."""

    def __init__(self) -> None:
        self._ready: deque[PendingAppend[R, Outcome]] = deque()
        self._queues: dict[object, deque[PendingAppend[R, Outcome]]] = {}

    def add(self, append: PendingAppend[R, Outcome]) -> None:
        """Add an append behind all that share one of its conflict keys."""
        for key in append.conflict_keys:
            queue = self._queues.get(key)
            if queue is None:
                self._queues[key] = deque([append])
            else:
                queue.append(append)
                append.blocked_by += 1
        if not append.blocked_by:
            self._ready.append(append)

    @property
    def ready(self) -> int:
        """The number of appends that nothing blocks."""
        return len(self._ready)

    def next_batch(self, limit: int = MAX_BATCH_REQUESTS) -> list[PendingAppend[R, Outcome]]:
        """The next batch, bounded in requests and bytes. Its appends block others until their `release`.

        The database compares versions with those before the batch. So an append that was judged by a stream which an
        earlier one of the batch writes waits for the next batch.
        """
        batch: list[PendingAppend[R, Outcome]] = []
        waiting: list[PendingAppend[R, Outcome]] = []
        written: set[StreamKey] = set()
        size = 0
        while self._ready and len(batch) < min(limit, MAX_BATCH_REQUESTS) and size < MAX_BATCH_BYTES:
            append = self._ready.popleft()
            if not written.isdisjoint(append.request.judged_by):
                waiting.append(append)
                continue
            batch.append(append)
            written.update(append.request.expected)
            size += append.request.size()
        self._ready.extendleft(reversed(waiting))
        return batch

    def release(self, append: PendingAppend[R, Outcome]) -> None:
        """Remove an append, and unblock those behind it."""
        for key in append.conflict_keys:
            queue = self._queues[key]
            if queue[0] is not append:
                queue.remove(append)
                continue
            queue.popleft()
            if queue:
                queue[0].blocked_by -= 1
                if not queue[0].blocked_by:
                    self._ready.append(queue[0])
            else:
                del self._queues[key]

    def stale_after(
        self, append: PendingAppend[R, Outcome], version_after: Callable[[StreamKey], int]
    ) -> list[PendingAppend[R, Outcome]]:
        """The appends behind this one that expect an older version of one of its streams than `version_after` it."""
        contended = [stream for stream in append.request.expected if len(self._queues[stream]) > 1]
        if not contended:
            return []
        stale: dict[int, PendingAppend[R, Outcome]] = {}
        for stream in contended:
            version = version_after(stream)
            stale |= {id(other): other for other in self._queues[stream] if other.request.expected[stream] < version}
        stale.pop(id(append), None)
        return list(stale.values())
