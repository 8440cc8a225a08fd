"""The checkpoints of one publish session: waits for acknowledgements, counts offsets and saves now and then."""

from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from kafka import TopicPartition

from infra.kafka.client.batch_producer import DELIVERY_SECONDS, InFlightBatch, PublishFailed
from infra.kafka.relay import checkpoints
from infra.kafka.relay.checkpoints import PartitionEnd

SAVE_SECONDS = 1.0
ACKNOWLEDGE_SECONDS = DELIVERY_SECONDS + 5
POLL_SECONDS = 0.2


class OffsetRange(NamedTuple):
    """The records of a partition from offset `first` to the one before `stop`."""

    partition: TopicPartition
    first: int
    stop: int


class SessionCheckpoints:
    """Where the partitions end while one producer publishes to them.

    `position`: every partition was complete up to it when the session began.
    """

    def __init__(self, connection: psycopg.Connection[Any], ends: dict[TopicPartition, PartitionEnd]) -> None:
        self._connection = connection
        self._ends = ends
        self._partitions = max(number for _, number in ends) + 1
        self.position = min(end.position for end in ends.values())
        self._saved_position = self.position
        self._saved_at = monotonic()

    def confirm(
        self,
        in_flight: InFlightBatch,
        timeout: float = ACKNOWLEDGE_SECONDS,
        keep_waiting: Callable[[], bool] = lambda: True,
    ) -> list[OffsetRange]:
        """Wait until the batches are acknowledged. Returns the records that other producers wrote before them.

        Raises:
            PublishFailed: some records may not have arrived, or a topic was created again.
        """
        deadline = monotonic() + timeout
        while not in_flight.wait(POLL_SECONDS) and monotonic() < deadline and keep_waiting():
            pass
        return self.advance(in_flight.offsets())

    def advance(self, offsets: dict[TopicPartition, tuple[int, int]]) -> list[OffsetRange]:
        """Move the ends past new records: by partition, the first offset (-1: unknown) and their number.

        Returns the records of other producers before them.

        Raises:
            PublishFailed: a topic was created again. It is then filled from the beginning at the next start.
        """
        foreign = []
        for partition, (offset, count) in offsets.items():
            first = self._ends[partition].next_offset
            between = self._ends[partition].advance(offset, count)
            if between < 0:
                checkpoints.reset(self._connection, partition[0], self._partitions)
                raise PublishFailed("a topic was created again")
            if between:
                foreign.append(OffsetRange(partition, first, offset))
        return foreign

    def partitions(self) -> list[TopicPartition]:
        """All partitions of the session."""
        return [TopicPartition(*each) for each in self._ends]

    def save(self, position: int, *, now: bool = False) -> None:
        """Save that every partition is complete up to `position`, at most once in `SAVE_SECONDS` unless `now`."""
        if position > self._saved_position and (now or monotonic() - self._saved_at >= SAVE_SECONDS):
            for end in self._ends.values():
                end.position = max(end.position, position)
            checkpoints.save(self._connection, self._ends)
            self._saved_position, self._saved_at = position, monotonic()
