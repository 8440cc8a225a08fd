"""Parallel load of a table: this process and its load workers each load the rows of other streams."""

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
from infra.projector.rebuild.bulk_load import BulkLoader, table_oid
from infra.projector.table_writer import TableWriter
from infra.store.feed import HASH_SLOTS, PostgresEventFeed

MIN_EVENTS = 50_000
"""For a shorter log, workers cost more time than they save."""

HEAD_START_EVENTS = 35_000
"""Events that this process loads while a worker starts."""

MAX_WORKERS = 3
"""Each worker adds writes to the database, and rows in memory."""


class LoadWorkerFailed(Exception):
    """A load worker ended before its work was done. Unless it was killed, it has printed the reason."""


class LoadWorkers:
    """Worker processes of a parallel rebuild, started with `environment` in addition to this process's own.

    `number` of them; by default one for each further core, at most `MAX_WORKERS`.
    """

    def __init__(
        self, feed: PostgresEventFeed, environment: Mapping[str, str] | None = None, *, number: int | None = None
    ) -> None:
        self._feed = feed
        self._environment = {**os.environ, **(environment or {})}
        self._number = min(_cores() - 1, MAX_WORKERS) if number is None else number

    def worthwhile(self, events: int) -> bool:
        """Whether workers load so many events sooner than this process alone."""
        return self._number > 0 and events >= MIN_EVENTS

    async def load(
        self,
        writer: TableWriter,
        connection: Connection,
        skipped: frozenset[int],
        goal: int,
        progress: Progress,
    ) -> None:
        """Load the events up to `goal` into the writer's table, which is empty and has its key.

        Raises:
            LoadWorkerFailed: a worker failed; the table has some of the rows.
            TableReplaced: another rebuild has started over.
        """
        table = await table_oid(connection, writer)
        own, *others = split_slots(goal, self._number)
        arguments = [(writer.model.name, goal, slots.start, slots.stop, table) for slots in others]
        with self._started(arguments) as workers:
            loader = BulkLoader(writer, self._feed.shard(own, goal), connection, skipped, table)
            tasks: list[asyncio.Task[object]] = [asyncio.create_task(loader.run(0, goal, progress))]
            tasks += [asyncio.create_task(_ended(worker)) for worker in workers]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    # Do not cancel twice: a task that is already cancelling is cleaning up.
                    if not task.cancelling():
                        task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        progress(goal, goal)

    @contextmanager
    def _started(self, arguments: Sequence[tuple[object, ...]]) -> Iterator[list[subprocess.Popen[bytes]]]:
        workers: list[subprocess.Popen[bytes]] = []
        try:
            for own in arguments:
                command = [sys.executable, "-P", "-m", "infra.bootstrap.load_worker", *map(str, own)]
                workers.append(spawn(command, death_signal=SIGKILL, environment=self._environment))
            yield workers
        finally:
            for worker in workers:
                end(worker)


def split_slots(events: int, workers: int) -> list[range]:
    """The hash slots of this process and of each worker, split so that all end at about the same time."""
    each = HASH_SLOTS * (events - HEAD_START_EVENTS) // (events * (workers + 1))
    own = HASH_SLOTS - each * workers
    return [range(own), *(range(start, start + each) for start in range(own, HASH_SLOTS, each))]


async def _ended(worker: subprocess.Popen[bytes]) -> None:
    if code := await asyncio.to_thread(worker.wait):
        raise LoadWorkerFailed(f"A load worker of the rebuild ended with exit code {code}")


def _cores() -> int:
    """The number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        # Only Linux has it.
        return os.cpu_count() or 1
