"""A feed in partitions, in small batches: the commands about a batch are sent while its transaction is open."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from application.ports import PartitionBatch, PartitionCheckpoint, PartitionedFeed


class SmallBatches:
    """Implements `PartitionedFeed`: one batch at a time of `feed`, with at most `limit()` events."""

    def __init__(self, feed: PartitionedFeed, limit: Callable[[], int]) -> None:
        self._feed = feed
        self._limit = limit
        self._waiting: deque[PartitionBatch] = deque()

    async def count(self) -> int:
        """See `PartitionedFeed.count`."""
        return await self._feed.count()

    def newly_assigned(self) -> Sequence[int]:
        """See `PartitionedFeed.newly_assigned`."""
        return self._feed.newly_assigned()

    def active(self) -> Sequence[int]:
        """See `PartitionedFeed.active`."""
        return self._feed.active()

    async def start_at(self, checkpoints: Mapping[int, PartitionCheckpoint]) -> None:
        """See `PartitionedFeed.start_at`."""
        self._waiting = deque(batch for batch in self._waiting if batch.partition not in checkpoints)
        await self._feed.start_at(checkpoints)

    async def next(self, timeout: float) -> Sequence[PartitionBatch]:
        """See `PartitionedFeed.next`."""
        if not self._waiting:
            for batch in await self._feed.next(timeout):
                self._waiting += split(batch, self._limit())
        return [self._waiting.popleft()] if self._waiting else []


def split(batch: PartitionBatch, limit: int) -> Iterator[PartitionBatch]:
    """Split a batch into batches of at most `limit` events, which follow each other. The last one has its offset."""
    after, events = batch.after, batch.events
    for start in range(0, len(events) - limit, limit):
        part = events[start : start + limit]
        yield PartitionBatch(batch.partition, after, part[-1].position, part)
        after = part[-1].position
    rest = events[(max(0, len(events) - 1) // limit) * limit :]
    yield PartitionBatch(batch.partition, after, batch.position, rest, batch.offset)
