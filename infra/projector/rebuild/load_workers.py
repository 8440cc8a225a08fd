"""A table loaded by several processes at once, each with the rows of other streams: this one and its helpers."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from signal import SIGKILL

from infra.local.servers.process import end, spawn
from infra.postgres.projector_connection import Connection
from infra.progress import Progress
from infra.projector.rebuild.bulk_load import BulkLoader, table_of
from infra.projector.table_writer import TableWriter
from infra.store.feed import HASH_SLOTS, PostgresEventFeed

WORTH = 50_000
"""Events from which on helpers are worth their start."""

HEAD_START = 35_000
"""Events that this process loads while a helper starts."""

MOST = 3
"""Helpers at most: each is one more that writes to the database, and that holds rows in memory."""


class LoadWorkerFailed(Exception):
    """A helper ended before its work did. Unless it was killed, it has said why."""


class LoadWorkers:
    """Processes beside this one, each started with `environment` beside our own: `number` of them or, if that is not
    said, one for each further core, `MOST` of them."""

    def __init__(
        self, feed: PostgresEventFeed, environment: Mapping[str, str] | None = None, *, number: int | None = None
    ) -> None:
        self._feed = feed
        self._environment = {**os.environ, **(environment or {})}
        self._number = min(_cores() - 1, MOST) if number is None else number

    def worthwhile(self, events: int) -> bool:
        """Whether so many events are loaded sooner with help."""
        return self._number > 0 and events >= WORTH

    async def load(
        self,
        applier: TableWriter,
        connection: Connection,
        skipped: frozenset[int],
        goal: int,
        progress: Progress,
    ) -> None:
        """Load the events up to `goal` into the table of the applier, which is empty and has its key.

        Raises:
            HelperFailed: it did not work out; the table has some of the rows.
            Gone: somebody else has begun anew.
        """
        table = await table_of(connection, applier)
        own, *others = shares(goal, self._number)
        arguments = [(applier.model.name, goal, slots.start, slots.stop, table) for slots in others]
        with self._started(arguments) as helpers:
            load = BulkLoader(applier, self._feed.shard(own, goal), connection, skipped, table)
            work: list[asyncio.Task[object]] = [asyncio.create_task(load.run(0, goal, progress))]
            work += [asyncio.create_task(_ended(helper)) for helper in helpers]
            try:
                await asyncio.gather(*work)
            finally:
                for task in work:
                    # Once is enough: whoever was told already is tidying up.
                    if not task.cancelling():
                        task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
        progress(goal, goal)

    @contextmanager
    def _started(self, arguments: Sequence[tuple[object, ...]]) -> Iterator[list[subprocess.Popen[bytes]]]:
        helpers: list[subprocess.Popen[bytes]] = []
        try:
            for own in arguments:
                command = [sys.executable, "-P", "-m", "infra.bootstrap.load_worker", *map(str, own)]
                helpers.append(spawn(command, death_signal=SIGKILL, environment=self._environment))
            yield helpers
        finally:
            for helper in helpers:
                end(helper)


def shares(events: int, helpers: int) -> list[range]:
    """The slots of this process and of each helper, so that all end at about the same time."""
    each = HASH_SLOTS * (events - HEAD_START) // (events * (helpers + 1))
    own = HASH_SLOTS - each * helpers
    return [range(own), *(range(start, start + each) for start in range(own, HASH_SLOTS, each))]


async def _ended(helper: subprocess.Popen[bytes]) -> None:
    if code := await asyncio.to_thread(helper.wait):
        raise LoadWorkerFailed(f"A process that helped ended with {code}")


def _cores() -> int:
    """Those that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        # Linux alone has it.
        return os.cpu_count() or 1
