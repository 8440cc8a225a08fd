"""Follows the log in partitions, which several projectors share: each applies what comes of those that it has.

Rows commit together with the positions of their partitions, under the lock of these. They decide what is new, whatever
the feed repeats, and whoever believes that a partition is his. What does not come by the feed is read from the store:
records that are missing there, and what a read model has missed while it was not ready to take portions.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog
from prometheus_client import Gauge

from application.ports import EventFeed, PartitionBatch, PartitionCheckpoint, PartitionedFeed, RecordedEvent
from infra.postgres.projector_connection import Connection, is_outage
from infra.projector import partition_checkpoints
from infra.projector.loop import ProjectionState, ProjectorLoop, Rebuild
from infra.projector.partition_checkpoints import CheckpointUpdate, PartitionClaims
from infra.projector.read_ahead import BufferedFeed
from infra.store.partitioner import key_of, partition_of
from projections.kernel import Poison, ReadModel

log = structlog.get_logger(__name__)

BATCH = 2_000

missing_gauge = Gauge(
    "palimpsest_feed_missing", "1: records are missing in a partition, and are being read from the store", ["partition"]
)


class PartitionedProjector(ProjectorLoop):
    """Keeps the tables of `models` up to date, as one of many. `events` and `store` are the log itself."""

    def __init__(
        self,
        models: Sequence[ReadModel],
        feed: PartitionedFeed,
        events: BufferedFeed,
        store: EventFeed,
        url: str,
        rebuild: Rebuild,
    ) -> None:
        super().__init__(models, store, url, rebuild)
        self._parts = feed
        self._events = events
        self._front: dict[int, int] = {}
        """How far the feed has come, by partition."""

    async def _round(self) -> None:
        connection = await self._session.get()
        await self._look(connection)
        await self._join(connection)
        await self._begin(connection)
        behind = [runner for runner in self._ready() if self._is_behind(runner)]
        if not behind:
            for partition in self._front:
                missing_gauge.labels(partition).set(0)
        moved = await self._fill(connection, behind) if behind else False
        ahead = [runner for runner in self._ready() if not self._is_behind(runner)]
        if ahead:
            portions = await self._parts.next(0 if moved else self._patience())
            await self._take(connection, portions)
        elif not moved:
            await asyncio.sleep(self._patience())

    def _ready(self) -> list[ProjectionState]:
        return [runner for runner in self._runners if runner.places]

    def _is_behind(self, runner: ProjectionState) -> bool:
        places, front = runner.places, self._front
        return any(places[partition] < front[partition] for partition in self._parts.placed())

    async def _join(self, connection: Connection) -> None:
        """Find out the places of runners that stand somewhere and do not know them."""
        new = [runner for runner in self._runners if runner.position is not None and not runner.places]
        if new:
            names = [runner.name for runner in new]
            await partition_checkpoints.divide(connection, names, await self._parts.count())
            found = await partition_checkpoints.places(connection, names)
            for runner in new:
                runner.places = {partition: place.position for partition, place in found[runner.name].items()}

    async def _begin(self, connection: Connection) -> None:
        """Begin with partitions that have come, each where the read model stands that is the farthest."""
        ready = self._ready()
        unplaced = self._parts.unplaced()
        if not unplaced or not ready:
            return
        found = await partition_checkpoints.places(connection, [runner.name for runner in ready])
        for runner in ready:
            runner.places |= {partition: place.position for partition, place in found[runner.name].items()}
        begin = {n: _farthest(of[n] for of in found.values() if n in of) for n in unplaced}
        self._front |= {partition: place.position for partition, place in begin.items()}
        await self._parts.begin(begin)

    async def _take(self, connection: Connection, portions: Sequence[PartitionBatch]) -> None:
        for portion in portions:
            if portion.after > self._front[portion.partition]:
                missing_gauge.labels(portion.partition).set(1)
                log.error(
                    "records are missing in Kafka",
                    partition=portion.partition,
                    after=self._front[portion.partition],
                    before=portion.after,
                )
            self._front[portion.partition] = portion.position
        if portions:
            await self._apply_to(connection, self._ready(), portions)

    async def _fill(self, connection: Connection, behind: list[ProjectionState]) -> bool:
        """Read one batch from the store for those that are behind the feed."""
        groups: dict[int, list[ProjectionState]] = defaultdict(list)
        for runner in behind:
            groups[min(runner.places[partition] for partition in self._parts.placed())].append(runner)
        moved = False
        for after, group in groups.items():
            events = await self._events.read(after, BATCH)
            if events:
                await self._apply_to(connection, group, self._split(after, events))
                moved = True
        return moved

    def _split(self, after: int, events: Sequence[RecordedEvent]) -> list[PartitionBatch]:
        """A stretch of the whole log, by partition."""
        count = len(self._ready()[0].places)
        parts: dict[int, list[RecordedEvent]] = {partition: [] for partition in self._parts.placed()}
        for event in events:
            partition = partition_of(key_of(event.stream_id), count)
            if partition in parts:
                parts[partition].append(event)
        return [PartitionBatch(partition, after, events[-1].position, those) for partition, those in parts.items()]

    async def _apply_to(
        self, connection: Connection, group: list[ProjectionState], portions: Sequence[PartitionBatch]
    ) -> None:
        try:
            await self._apply(connection, group, portions)
        except Exception as error:
            if is_outage(error):
                raise
            for runner in group:
                await self._apply_alone(connection, runner, portions)

    async def _apply_alone(
        self, connection: Connection, runner: ProjectionState, portions: Sequence[PartitionBatch]
    ) -> None:
        try:
            await self._apply(connection, [runner], portions, carefully=True)
        except Exception as error:
            if is_outage(error):
                raise
            runner.failed(error)

    async def _apply(
        self,
        connection: Connection,
        group: list[ProjectionState],
        portions: Sequence[PartitionBatch],
        *,
        carefully: bool = False,
    ) -> None:
        moves: list[CheckpointUpdate] = []
        poisons: list[tuple[str, list[Poison]]] = []
        stale: list[ProjectionState] = []
        async with connection.transaction():
            names, wanted = [runner.name for runner in group], {portion.partition for portion in portions}
            shares = await partition_checkpoints.lock(connection, names, wanted)
            for runner in group:
                share = shares.get(runner.name)
                if share is None or share.version != runner.applier.model.version or share.positions.keys() != wanted:
                    stale.append(runner)
                    continue
                news, moved = _news(runner.name, share, portions)
                if news:
                    apply = runner.applier.apply_carefully if carefully else runner.applier.apply
                    poisons.append((runner.name, await apply(connection, news, share.left_out)))
                moves += moved
            if moves:
                await partition_checkpoints.advance(connection, moves)
            for name, found in poisons:
                if found:
                    await self._confine(connection, name, found)
        self._note(group, stale, shares, moves)

    @staticmethod
    def _note(
        group: list[ProjectionState],
        stale: list[ProjectionState],
        shares: dict[str, PartitionClaims],
        moves: list[CheckpointUpdate],
    ) -> None:
        """Remember where the runners stand, now that it is certain."""
        reached = {(move.name, move.partition): move.position for move in moves}
        for runner in group:
            if runner in stale:
                runner.forget()
                continue
            runner.failures = 0
            for partition, position in shares[runner.name].positions.items():
                runner.places[partition] = reached.get((runner.name, partition), position)


def _news(
    name: str, share: PartitionClaims, portions: Iterable[PartitionBatch]
) -> tuple[list[RecordedEvent], list[CheckpointUpdate]]:
    """The events that have not been applied yet, and where the projection stands after them.

    A portion that begins beyond where its partition stands cannot be taken: something is missing before it.
    """
    events: list[RecordedEvent] = []
    moves: dict[int, CheckpointUpdate] = {}
    at = dict(share.positions)
    for portion in portions:
        position = at[portion.partition]
        if portion.after > position or portion.position <= position:
            continue
        if portion.events and portion.events[0].position > position:
            events += portion.events
        else:
            events += [event for event in portion.events if event.position > position]
        at[portion.partition] = portion.position
        moves[portion.partition] = CheckpointUpdate(name, portion.partition, portion.position, portion.offset)
    return events, list(moves.values())


def _farthest(places: Iterable[PartitionCheckpoint]) -> PartitionCheckpoint:
    return max(places, key=lambda place: (place.position, place.offset is not None))
