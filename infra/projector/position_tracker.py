"""Positions of the read models, kept in memory by LISTEN, so that a read can wait for its Consistency-Token."""

import asyncio
import contextlib
from collections import defaultdict

import psycopg

from application.ports import Unavailable
from infra.postgres.projector_connection import Connection, connect
from infra.projector.checkpoints import CHANNEL

POLL_SECONDS = 0.5
FIND = "SELECT name, position FROM projections"

Waiter = tuple[int, "asyncio.Future[None]"]


class PositionTracker:
    """Tracks positions between `start` and `stop`. While the database is away it keeps the last known ones."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._known: dict[str, int] = {}
        self._waiters: defaultdict[str, list[Waiter]] = defaultdict(list)
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start listening."""
        self._listener = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener

    def known(self, read_model: str) -> int:
        """The last known position of the read model; 0: none is known."""
        return self._known.get(read_model, 0)

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        """Wait until the read model has reached `position`, for at most `timeout` seconds.

        Returns how many positions it is still behind; 0: it has reached `position`.
        """
        if self.known(read_model) >= position:
            return 0
        waiter = (position, asyncio.get_running_loop().create_future())
        self._waiters[read_model].append(waiter)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await waiter[1]
        finally:
            self._waiters[read_model].remove(waiter)
        return max(0, position - self.known(read_model))

    async def _listen(self) -> None:
        while True:
            try:
                connection = await connect(self._url)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}", prepare=False)
                    await self._follow(connection)
            except (psycopg.Error, OSError, Unavailable):
                await asyncio.sleep(POLL_SECONDS)

    async def _follow(self, connection: Connection) -> None:
        # The database may have lost positions since (a restored backup): start from what it says now.
        self._known = await self._found(connection)
        self._wake()
        while True:
            async for note in connection.notifies(timeout=POLL_SECONDS):
                name, _, position = note.payload.rpartition(":")
                self._known[name] = int(position)
                self._wake_for(name)
            if any(self._waiters.values()):
                self._known = await self._found(connection)
                self._wake()

    async def _found(self, connection: Connection) -> dict[str, int]:
        cursor = await connection.execute(FIND)
        return {name: position for name, position in await cursor.fetchall()}  # noqa: C416 - typed

    def _wake(self) -> None:
        for name in self._waiters:
            self._wake_for(name)

    def _wake_for(self, name: str) -> None:
        known = self.known(name)
        for position, future in self._waiters.get(name, ()):
            if position <= known and not future.done():
                future.set_result(None)
