"""Projector that shares the log with others: each applies the events of the partitions that it has.

Rows commit together with the checkpoints of their partitions, under the lock of these. The checkpoints decide which
events are new, whatever the feed repeats, and even if two projectors believe that they have the same partition. Two
things are read from the store instead of the feed: records that are missing there, and events that a consumer missed
while it could not take batches.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog
from prometheus_client import Gauge

from application.ports import EventFeed, PartitionBatch, PartitionCheckpoint, PartitionedFeed, RecordedEvent
from infra.postgres.projector_connection import Connection
from infra.projector.consumers import LogConsumerSet
from infra.projector.loop import ConsumerState, ProjectorLoop
from infra.projector.partition_checkpoints import CheckpointUpdate, PartitionCheckpoints, PartitionClaims
from infra.projector.read_ahead import BufferedFeed
from infra.store.partitioner import key_of, partition_of
from projections.kernel import Poison

log = structlog.get_logger(__name__)

missing_gauge = Gauge(
    "palimpsest_feed_missing", "1: records are missing in a partition, and are being read from the store", ["partition"]
)


class PartitionedProjector(ProjectorLoop):
    """Feeds `consumers`, as one of several. `events` and `store` are the whole log."""

    def __init__(
        self, consumers: LogConsumerSet, feed: PartitionedFeed, events: BufferedFeed, store: EventFeed, url: str
    ) -> None:
        super().__init__(consumers, store, url)
        self._partition_checkpoints = PartitionCheckpoints(consumers.checkpoints)
        self._partitions = feed
        self._events = events
        self._front: dict[int, int] = {}
        """The position that the feed has reached, by partition."""

    async def _round(self) -> None:
        connection = await self._session.get()
        await self._read_checkpoints(connection)
        await self._split_checkpoints(connection)
        await self._start_partitions(connection)
        behind = [state for state in self._ready() if self._is_behind(state)]
        if not behind:
            for partition in self._front:
                missing_gauge.labels(partition).set(0)
        moved = await self._catch_up(connection, behind) if behind else False
        in_step = [state for state in self._ready() if not self._is_behind(state)]
        if in_step:
            batches = await self._partitions.next(0 if moved else self._poll_timeout())
            await self._take(connection, batches)
        elif not moved:
            await asyncio.sleep(self._poll_timeout())

    def _ready(self) -> list[ConsumerState]:
        return [state for state in self._states if state.partition_positions]

    def _is_behind(self, state: ConsumerState) -> bool:
        positions, front = state.partition_positions, self._front
        return any(positions[partition] < front[partition] for partition in self._partitions.active())

    async def _split_checkpoints(self, connection: Connection) -> None:
        """Split the checkpoints of consumers whose position is known, but not their partitions' positions."""
        new = [state for state in self._states if state.position is not None and not state.partition_positions]
        if new:
            names = [state.name for state in new]
            await self._partition_checkpoints.split(connection, names, await self._partitions.count())
            found = await self._partition_checkpoints.read(connection, names)
            for state in new:
                state.partition_positions = _positions(found[state.name])

    async def _start_partitions(self, connection: Connection) -> None:
        """Start newly assigned partitions, each at the checkpoint of the consumer that is furthest ahead."""
        ready = self._ready()
        assigned = self._partitions.newly_assigned()
        if not assigned or not ready:
            return
        found = await self._partition_checkpoints.read(connection, [state.name for state in ready])
        for state in ready:
            state.partition_positions |= _positions(found[state.name])
        starts = {n: furthest(of[n] for of in found.values() if n in of) for n in assigned}
        self._front |= _positions(starts)
        await self._partitions.start_at(starts)

    async def _take(self, connection: Connection, batches: Sequence[PartitionBatch]) -> None:
        for batch in batches:
            if batch.after > self._front[batch.partition]:
                missing_gauge.labels(batch.partition).set(1)
                log.error(
                    "records are missing in Kafka",
                    partition=batch.partition,
                    after=self._front[batch.partition],
                    before=batch.after,
                )
            self._front[batch.partition] = batch.position
        if batches:
            await self._apply_batches(connection, self._ready(), batches)

    async def _catch_up(self, connection: Connection, behind: list[ConsumerState]) -> bool:
        """Apply one batch from the store to the consumers that are behind the feed. Returns whether they moved."""
        groups: dict[int, list[ConsumerState]] = defaultdict(list)
        for state in behind:
            groups[min(state.partition_positions[n] for n in self._partitions.active())].append(state)
        moved = False
        for after, group in groups.items():
            events = await self._events.read(after, self._consumers.batch_size)
            if events:
                await self._apply_batches(connection, group, self._split(after, events))
                moved = True
        return moved

    def _split(self, after: int, events: Sequence[RecordedEvent]) -> list[PartitionBatch]:
        """Split a range of the whole log by partition."""
        count = len(self._ready()[0].partition_positions)
        parts: dict[int, list[RecordedEvent]] = {partition: [] for partition in self._partitions.active()}
        for event in events:
            partition = partition_of(key_of(event.stream_id), count)
            if partition in parts:
                parts[partition].append(event)
        return [PartitionBatch(partition, after, events[-1].position, part) for partition, part in parts.items()]

    async def _apply_batches(
        self, connection: Connection, group: list[ConsumerState], batches: Sequence[PartitionBatch]
    ) -> None:
        await self._apply_or_isolate(
            group, lambda states, carefully: self._apply(connection, states, batches, carefully)
        )

    async def _apply(
        self,
        connection: Connection,
        group: Sequence[ConsumerState],
        batches: Sequence[PartitionBatch],
        carefully: bool,
    ) -> None:
        updates: list[CheckpointUpdate] = []
        poisons: list[tuple[str, list[Poison]]] = []
        stale: list[ConsumerState] = []
        async with connection.transaction():
            names, wanted = [state.name for state in group], {batch.partition for batch in batches}
            claims = await self._partition_checkpoints.lock(connection, names, wanted)
            for state in group:
                claim = claims.get(state.name)
                if claim is None or claim.version != state.consumer.version or claim.positions.keys() != wanted:
                    stale.append(state)
                    continue
                events, own = unapplied(state.name, claim, batches)
                if events:
                    apply = state.consumer.apply_carefully if carefully else state.consumer.apply
                    poisons.append((state.name, await apply(connection, events, claim.quarantined)))
                updates += own
            if updates:
                await self._partition_checkpoints.advance(connection, updates)
            for name, found in poisons:
                if found:
                    await self._quarantine(connection, name, found)
        self._remember(group, stale, claims, updates)

    @staticmethod
    def _remember(
        group: Sequence[ConsumerState],
        stale: list[ConsumerState],
        claims: dict[str, PartitionClaims],
        updates: list[CheckpointUpdate],
    ) -> None:
        """Keep the new positions in memory, after the commit."""
        reached = {(update.name, update.partition): update.position for update in updates}
        for state in group:
            if state in stale:
                state.reset()
                continue
            state.failures = 0
            for partition, position in claims[state.name].positions.items():
                state.partition_positions[partition] = reached.get((state.name, partition), position)


def unapplied(
    name: str, claim: PartitionClaims, batches: Iterable[PartitionBatch]
) -> tuple[list[RecordedEvent], list[CheckpointUpdate]]:
    """The events that have not been applied yet, and the checkpoints after them.

    A batch that begins after the partition's checkpoint is ignored: events are missing before it.
    """
    events: list[RecordedEvent] = []
    updates: dict[int, CheckpointUpdate] = {}
    at = dict(claim.positions)
    for batch in batches:
        position = at[batch.partition]
        if batch.after > position or batch.position <= position:
            continue
        if batch.events and batch.events[0].position > position:
            events += batch.events
        else:
            events += [event for event in batch.events if event.position > position]
        at[batch.partition] = batch.position
        updates[batch.partition] = CheckpointUpdate(name, batch.partition, batch.position, batch.offset)
    return events, list(updates.values())


def _positions(checkpoints: dict[int, PartitionCheckpoint]) -> dict[int, int]:
    return {partition: checkpoint.position for partition, checkpoint in checkpoints.items()}


def furthest(checkpoints: Iterable[PartitionCheckpoint]) -> PartitionCheckpoint:
    """The checkpoint that is furthest ahead; of several, one that has an offset."""
    return max(checkpoints, key=lambda checkpoint: (checkpoint.position, checkpoint.offset is not None))
