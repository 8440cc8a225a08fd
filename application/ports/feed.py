"""Ports to the log: feeds that projections read, and the positions that read models have reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from domain.kernel import Root


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands for an event that could not be read; `error` is the class name of the failure."""

    error: str


class RecordedEvent(msgspec.Struct, frozen=True):
    """An event as the log holds it. `data` is the upcast, unsealed event; `size`: bytes as stored, 0 if not known.

    A struct, because a frozen dataclass takes fifteen times as long to make, and a rebuild makes one for every event.
    """

    position: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    actor_id: UUID | None
    data: Root.Event | Undecodable
    size: int = 0


class EventFeed(Protocol):
    """The log as projections read it. Gapless: after a position was read, no event appears at an earlier one.

    Pages are bounded by bytes, too: a page with fewer events than allowed need not be the last. One without is.
    """

    async def head(self) -> int:
        """Return the last position; 0 in an empty log."""

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """Return at most `limit` events after the position `after`, in order."""

    async def stream(self, stream_id: UUID, first: int, last: int) -> Sequence[RecordedEvent]:
        """Return a page of the events of one stream from position `first` to `last`, in order."""

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be events after `after`, at the latest after `timeout` seconds."""


class SelectiveFeed(EventFeed, Protocol):
    """The log, of which some streams can be read at the cost of their own events."""

    async def read_streams(self, stream_ids: Sequence[UUID], after: int, limit: int) -> Sequence[RecordedEvent]:
        """Return at most `limit` events of these streams after the position `after`, in order."""


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """All events of one partition of the log after the position `after` up to `position`, in order.

    `offset`: the offset of the partition's next record in the feed; None: the batch was not read from the feed.
    """

    partition: int
    after: int
    position: int
    events: Sequence[RecordedEvent]
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class PartitionCheckpoint:
    """Start of reading in a partition: after `position`. `offset`, if known, is at that record or before it."""

    position: int
    offset: int | None = None


class PartitionedFeed(Protocol):
    """The log in partitions, which several readers share. All events of a stream are in one partition.

    A partition can be reassigned at any moment, and two readers may have it for a while: readers keep their checkpoints
    in one place, and drop events that another reader has applied already.
    """

    async def count(self) -> int:
        """How many partitions there are.

        Raises:
            Unavailable: the feed cannot be reached.
        """

    def newly_assigned(self) -> Sequence[int]:
        """The partitions that were assigned to this reader and wait for `start_at`."""

    def active(self) -> Sequence[int]:
        """The partitions that this reader reads: assigned and started."""

    async def start_at(self, checkpoints: Mapping[int, PartitionCheckpoint]) -> None:
        """Start reading at these checkpoints, by partition. Partitions that were revoked meanwhile are ignored.

        Raises:
            Unavailable: the feed cannot be reached.
        """

    async def next(self, timeout: float) -> Sequence[PartitionBatch]:
        """The next batches, of any active partitions; none if that takes more than `timeout` seconds.

        Batches of a partition come in order. If one does not begin where the one before it ended, or at the
        partition's checkpoint, records are missing.
        """


class Positions(Protocol):
    """The positions that read models have reached."""

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        """Wait until the read model has reached `position`, for at most `timeout` seconds.

        Returns by how many positions it is behind: 0 when it has reached it.
        """
