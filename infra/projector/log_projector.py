"""Projector that follows the whole log with all consumers: those at the same position move in one transaction.

Rows and checkpoints commit together, under the checkpoints' lock, so each event counts once, however many projectors
run. A second projector stands by: it sees the checkpoints move, and takes over when they no longer do.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from time import monotonic

from application.ports import EventFeed, RecordedEvent
from infra.postgres.projector_connection import Connection
from infra.projector.checkpoints import Checkpoint
from infra.projector.consumers import LogConsumerSet
from infra.projector.loop import ConsumerState, ProjectorLoop
from infra.projector.pacing import linger
from infra.projector.read_ahead import BufferedFeed


class LogProjector(ProjectorLoop):
    """Feeds `consumers` with `events`, the whole log."""

    def __init__(self, consumers: LogConsumerSet, events: BufferedFeed, feed: EventFeed, url: str) -> None:
        super().__init__(consumers, feed, url)
        self._events = events

    async def _round(self) -> None:
        started = monotonic()
        connection = await self._session.get()
        await self._read_checkpoints(connection)
        groups: dict[int, list[ConsumerState]] = defaultdict(list)
        for state in self._states:
            if state.position is not None:
                groups[state.position].append(state)
        moved, full = 0, self._consumers.batch_size
        positions = sorted(groups)
        for position, next_group in zip(positions, [*positions[1:], None], strict=False):
            limit = full if next_group is None else min(full, next_group - position)
            moved = max(moved, await self._move(connection, groups[position], position, limit))
        if moved:
            await asyncio.sleep(linger(moved, monotonic() - started, full))
        else:
            await self._wait(max(positions, default=None))

    async def _wait(self, position: int | None) -> None:
        if position is None:
            await asyncio.sleep(self._poll_timeout())
        else:
            await self._events.wait(position, self._poll_timeout())

    async def _move(self, connection: Connection, group: list[ConsumerState], position: int, limit: int) -> int:
        """Apply the next events to the consumers at `position`. Returns the number of events."""
        events = await self._events.read(position, limit)
        if events:
            await self._apply_or_isolate(
                group, lambda states, carefully: self._apply(connection, states, events, carefully)
            )
        return len(events)

    async def _apply(
        self, connection: Connection, group: Sequence[ConsumerState], events: Sequence[RecordedEvent], carefully: bool
    ) -> None:
        moved: list[tuple[ConsumerState, Checkpoint]] = []
        async with connection.transaction():
            found = await self._checkpoints.lock(connection, [state.name for state in group], wait=False)
            for state in group:
                checkpoint = found.get(state.name)
                if checkpoint is None or not state.is_at(checkpoint):
                    state.lost_to_other(checkpoint)
                    continue
                apply = state.consumer.apply_carefully if carefully else state.consumer.apply
                poisons = await apply(connection, checkpoint.unapplied(events), checkpoint.quarantined)
                if poisons:
                    await self._quarantine(connection, state.name, poisons)
                moved.append((state, checkpoint))
            if moved:
                await self._checkpoints.advance(connection, [state.name for state, _ in moved], events[-1].position)
                await self._checkpoints.merge_partitions(connection, [each for _, each in moved], events[-1].position)
        for state, _ in moved:
            state.position = events[-1].position
            state.failures = 0
