"""Follows the log as a whole with all read models in one loop: those at the same position move in one transaction.

Rows and positions commit together, under the lock of the positions, so each event counts once, whoever else projects.
A second projector stands by: it finds the positions moved, rests, and takes over once they no longer move.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from time import monotonic

from application.ports import EventFeed, RecordedEvent
from infra.postgres.projector_connection import Connection, is_outage
from infra.projector import checkpoints
from infra.projector.checkpoints import Checkpoint
from infra.projector.loop import ProjectionState, ProjectorLoop, Rebuild
from infra.projector.read_ahead import BufferedFeed
from projections.kernel import ReadModel

BATCH = 2_000
MANY = 24
BREATH_SECONDS = 0.03


class LogProjector(ProjectorLoop):
    """Keeps the tables of `models` up to date. `rebuild` fills a table anew and swaps it in."""

    def __init__(self, models: Sequence[ReadModel], events: BufferedFeed, feed: EventFeed, url: str, rebuild: Rebuild):
        super().__init__(models, feed, url, rebuild)
        self._events = events

    async def _round(self) -> None:
        started = monotonic()
        connection = await self._session.get()
        await self._look(connection)
        groups: dict[int, list[ProjectionState]] = defaultdict(list)
        for runner in self._runners:
            if runner.position is not None:
                groups[runner.position].append(runner)
        moved = 0
        positions = sorted(groups)
        for position, following in zip(positions, [*positions[1:], None], strict=False):
            limit = BATCH if following is None else min(BATCH, following - position)
            moved = max(moved, await self._move(connection, groups[position], position, limit))
        if moved:
            await asyncio.sleep(breath(moved, monotonic() - started))
        else:
            await self._idle(max(positions, default=None))

    async def _idle(self, front: int | None) -> None:
        if front is None:
            await asyncio.sleep(self._patience())
        else:
            await self._events.wait(front, self._patience())

    async def _move(self, connection: Connection, group: list[ProjectionState], position: int, limit: int) -> int:
        """Apply what comes next to those that stand at `position`. Answers the number of events."""
        events = await self._events.read(position, limit)
        if not events:
            return 0
        try:
            await self._apply(connection, group, events)
        except Exception as error:
            if is_outage(error):
                raise
            for runner in group:
                await self._apply_alone(connection, runner, events)
        return len(events)

    async def _apply_alone(
        self, connection: Connection, runner: ProjectionState, events: Sequence[RecordedEvent]
    ) -> None:
        try:
            await self._apply(connection, [runner], events, carefully=True)
        except Exception as error:
            if is_outage(error):
                raise
            runner.failed(error)

    async def _apply(
        self,
        connection: Connection,
        group: list[ProjectionState],
        events: Sequence[RecordedEvent],
        *,
        carefully: bool = False,
    ) -> None:
        moved: list[tuple[ProjectionState, Checkpoint]] = []
        async with connection.transaction():
            standings = await checkpoints.lock(connection, [runner.name for runner in group], wait=False)
            for runner in group:
                standing = standings.get(runner.name)
                if standing is None or not runner.stands_at(standing):
                    runner.overtaken(standing)
                    continue
                apply = runner.applier.apply_carefully if carefully else runner.applier.apply
                poisons = await apply(connection, standing.news(events), standing.left_out)
                if poisons:
                    await self._confine(connection, runner.name, poisons)
                moved.append((runner, standing))
            if moved:
                await checkpoints.advance(connection, [runner.name for runner, _ in moved], events[-1].position)
                await checkpoints.unite(connection, [standing for _, standing in moved], events[-1].position)
        for runner, _ in moved:
            runner.position = events[-1].position
            runner.failures = 0


def breath(events: int, seconds: float) -> float:
    """Seconds to wait after a round of so many events that took so long.

    A round costs nearly the same for few events as for many, and on a busy machine it is the writers who wait for it.
    So when events come in numbers, more of them gather for the next round; what comes alone, or is left behind, does
    not wait.
    """
    return max(0.0, BREATH_SECONDS - seconds) if MANY <= events < BATCH else 0.0
