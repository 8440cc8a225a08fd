"""Rebuild of a read model: fills a new table beside the live one, compares both, and swaps them.

The new table is loaded in bulk, then brought to the position of the live one, so that both can be compared. One
transaction changes the names and the checkpoint; readers wait for that transaction only.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from application.ports import EventFeed, RecordedEvent
from infra.postgres.locks import REBUILD
from infra.postgres.projector_connection import Connection
from infra.progress import Progress
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.rebuild.abandoned import drop_abandoned
from infra.projector.rebuild.bulk_load import BATCH, BulkLoader, connect_to_load
from infra.projector.rebuild.load_workers import LoadWorkers
from infra.projector.rebuild.revocations import apply_revocations
from infra.projector.schema import DELETE_CHECKPOINT, DELETE_QUARANTINE, create, drop
from infra.projector.statements import NEXT, drop_table
from infra.projector.table_writer import TableWriter
from projections.kernel import ReadModel

SWAP_ATTEMPTS = 20

LOCK = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
UNLOCK = "SELECT pg_advisory_unlock(%s, hashtext(%s))"
TAKE_OVER = """
UPDATE projections SET version = successor.version, position = successor.position,
    quarantined = successor.quarantined, generation = projections.generation + 1, moved_at = now()
FROM projections successor WHERE projections.name = %s AND successor.name = %s
RETURNING pg_notify('palimpsest_projected', '')
"""
MOVE_QUARANTINE = "UPDATE projection_quarantine SET projection = %s WHERE projection = %s"


class RebuildRunning(Exception):
    """Another rebuild of this read model is running."""


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """Comparison of the new table with the live one.

    `differing`: the number of keys whose rows differ; None: the tables have different versions or positions.
    """

    position: int
    rows_before: int
    rows_after: int
    differing: int | None
    quarantined: int


async def rebuild(
    model: ReadModel,
    feed: EventFeed,
    url: str,
    progress: Progress = lambda *_: None,
    *,
    swap: bool = True,
    workers: LoadWorkers | None = None,
) -> RebuildResult:
    """Build a new table of `model` from the whole log and replace the live one, which must exist.

    Without `swap` the new table is compared, then dropped; so it is after a failure. `workers` load a long log in
    parallel.

    Raises:
        RebuildRunning: another rebuild of it is running.
        LoadWorkerFailed: a load worker failed.
        RevocationFailed: the new table cannot apply what the live one shows as revoked or erased.
        Unavailable: the database does not answer.
    """
    try:
        async with await connect_to_load(url) as connection, await connect_to_load(url) as beside:
            return await _Rebuild(model, feed, connection, beside, progress, workers).run(swap)
    except BaseException:
        # The projector drops the table later, if the database does not answer now.
        with suppress(Exception):
            await drop_abandoned(url)
        raise


class _Rebuild:
    def __init__(
        self,
        model: ReadModel,
        feed: EventFeed,
        connection: Connection,
        beside: Connection,
        progress: Progress,
        workers: LoadWorkers | None,
    ) -> None:
        self._model = model
        self._feed = feed
        self._connection = connection
        self._beside = beside
        self._progress = progress
        self._workers = workers
        self._live = TableWriter(model)
        self._next = TableWriter(model, model.name + NEXT)
        self._skipped: frozenset[int] = frozenset()

    async def run(self, swap: bool) -> RebuildResult:
        lock = [REBUILD.key, self._model.name]
        if await (await self._connection.execute(LOCK, lock)).fetchone() != (True,):
            raise RebuildRunning(self._model.name)
        try:
            return await self._build(swap)
        finally:
            # The server ends a session some time after it was closed; the next rebuild must not find the lock.
            with suppress(psycopg.Error):
                await self._connection.execute(UNLOCK, lock)

    async def _build(self, swap: bool) -> RebuildResult:
        await self._start_over()
        self._skipped = await PROJECTIONS.skipped(self._connection, self._model.name)
        await self._load(await self._goal())
        for statement in self._next.statements.create_indexes():
            await self._connection.execute(statement)
        # Later queries need statistics; the comparison runs at the same time.
        analyzing = asyncio.create_task(self._beside.execute(self._next.statements.analyze))
        try:
            return await self._finish(swap, analyzing)
        finally:
            analyzing.cancel()
            await asyncio.gather(analyzing, return_exceptions=True)

    async def _load(self, goal: int) -> None:
        """Fill the table up to `goal`, then until the live table is less than a batch ahead."""
        loader = BulkLoader(self._next, self._feed, self._connection, self._skipped)
        if self._workers is not None and self._workers.worthwhile(goal):
            await self._load_in_parallel(self._workers, goal)
            quarantined = await PROJECTIONS.quarantined(self._connection, [self._next.name])
            loader.take_over(quarantined.get(self._next.name, ()))
            position = goal
        else:
            position = await loader.run(0, goal, self._progress)
        while (goal := await self._goal()) - position > BATCH:
            position = await loader.run(position, goal, self._progress)

    async def _load_in_parallel(self, workers: LoadWorkers, goal: int) -> None:
        await self._connection.execute(self._next.statements.create_key())
        await workers.load(self._next, self._connection, self._skipped, goal, self._progress)
        await PROJECTIONS.advance(self._connection, [self._next.name], goal)

    async def _start_over(self) -> None:
        async with self._connection.transaction():
            await drop(self._connection, self._next.name)
            await create(self._connection, self._next.statements, self._model)

    async def _goal(self) -> int:
        """The position of the live table, so that both can be compared; the end of the log if they cannot."""
        live = (await PROJECTIONS.read(self._connection, [self._model.name]))[self._model.name]
        if live.version == self._model.version and live.position:
            return live.position
        return max(live.position, await self._feed.head())

    async def _finish(self, swap: bool, analyzing: "asyncio.Task[object]") -> RebuildResult:
        for attempt in range(SWAP_ATTEMPTS):
            await self._catch_up()
            try:
                async with self._connection.transaction():
                    await self._connection.execute("SET LOCAL lock_timeout = '2s'")
                    # Loading commits without the disk (`connect_to_load`); the swap must survive a crash.
                    await self._connection.execute("SET LOCAL synchronous_commit TO on")
                    return await self._compare_and_swap(swap, analyzing)
            except psycopg.errors.LockNotAvailable:
                # A long query holds the live table. Release the lock queue before the next attempt.
                await asyncio.sleep(0.1 * (attempt + 1))
        raise TimeoutError(f"queries on {self._model.name} kept it locked at every attempt to swap")

    async def _catch_up(self) -> None:
        while await self._step(await self._goal()):
            pass

    async def _step(self, goal: int) -> bool:
        """Apply a page of the events up to the goal. Returns whether there are more."""
        async with self._connection.transaction():
            checkpoint = (await PROJECTIONS.lock(self._connection, [self._next.name]))[self._next.name]
            return await self._apply(checkpoint, goal)

    async def _apply(self, checkpoint: Checkpoint, goal: int) -> bool:
        """Apply a page of the events between the checkpoint and the goal. Returns whether there are more."""
        limit = min(BATCH, goal - checkpoint.position)
        events = await self._feed.read(checkpoint.position, limit) if limit > 0 else []
        if events:
            await self._apply_events(events, checkpoint)
            await PROJECTIONS.advance(self._connection, [self._next.name], events[-1].position)
        return bool(events) and events[-1].position < goal

    async def _apply_events(self, events: Sequence[RecordedEvent], checkpoint: Checkpoint) -> None:
        wanted = [event for event in events if event.position not in self._skipped]
        poisons = await self._next.apply_carefully(self._connection, wanted, checkpoint.quarantined) if wanted else []
        if poisons:
            await PROJECTIONS.quarantine(self._connection, self._next.name, poisons)

    async def _compare_and_swap(self, swap: bool, analyzing: "asyncio.Task[object]") -> RebuildResult:
        live, successor = await self._level()
        await apply_revocations(self._next, self._connection, self._feed, live, self._skipped)
        found = await self._compared(live, successor)
        await analyzing
        if swap:
            await self._swap()
        else:
            await drop(self._connection, self._next.name)
        return found

    async def _level(self) -> tuple[Checkpoint, Checkpoint]:
        """Lock both, and bring the new table to the live one's position if they are comparable, else to its front."""
        live, successor = await self._locked()
        comparable = live.version == successor.version and successor.position <= live.position
        goal = live.position if comparable else live.front
        while successor.position < goal:
            await self._apply(successor, goal)
            live, successor = await self._locked()
        if comparable:
            await self._level_partitions(live, successor)
        return live, (await self._locked())[1]

    async def _locked(self) -> tuple[Checkpoint, Checkpoint]:
        found = await PROJECTIONS.lock(self._connection, [self._model.name, self._next.name])
        return found[self._model.name], found[self._next.name]

    async def _level_partitions(self, live: Checkpoint, successor: Checkpoint) -> None:
        """Apply the events of partitions in which the live table is ahead of its position."""
        position = live.position
        while position < live.front:
            events = await self._feed.read(position, min(BATCH, live.front - position))
            if not events:
                break
            position = events[-1].position
            await self._apply_events(
                [event for event in events if event.position <= live.reached(event.stream_id)], successor
            )
            successor = (await self._locked())[1]

    async def _compared(self, live: Checkpoint, successor: Checkpoint) -> RebuildResult:
        old, new = self._live.statements, self._next.statements
        differing: int | None = None
        if (live.version, live.position) == (successor.version, successor.position):
            before, after = await self._one(old.digest()), await self._one(new.digest())
            [differing] = (0,) if before == after else await self._one(new.differences(old))
        else:
            before, after = await self._one(old.count()), await self._one(new.count())
        return RebuildResult(successor.position, before[0], after[0], differing, len(successor.quarantined))

    async def _one(self, query: sql.Composed) -> tuple[Any, ...]:
        row = await (await self._connection.execute(query)).fetchone()
        assert row is not None
        return row

    async def _swap(self) -> None:
        name, successor = self._model.name, self._next.name
        await self._connection.execute(drop_table(name))
        for statement in self._next.statements.rename(self._live.statements):
            await self._connection.execute(statement)
        await self._connection.execute(DELETE_QUARANTINE, [name])
        await self._connection.execute(MOVE_QUARANTINE, [name, successor])
        await self._connection.execute(TAKE_OVER, [name, successor])
        await self._connection.execute(DELETE_CHECKPOINT, [successor])
