"""Positions of the read models, kept in memory, so that a read can wait for its Consistency-Token.

They are read again when LISTEN says that one has moved, and every two seconds.
"""

import asyncio
import contextlib
from collections import defaultdict

from infra.postgres.connect import AsyncConnection
from infra.postgres.listener import Listener
from infra.projector.checkpoints import CHANNEL

POLL_SECONDS = 2.0
FIND = "SELECT name, position FROM projections"

Waiter = tuple[int, "asyncio.Future[None]"]


class PositionTracker:
    """Tracks positions between `start` and `stop`. While the database is away it keeps the last known ones."""

    def __init__(self, url: str) -> None:
        self._known: dict[str, int] = {}
        self._waiters: defaultdict[str, list[Waiter]] = defaultdict(list)
        self._listener = Listener(
            url,
            CHANNEL,
            on_listening=self._refresh,
            on_poll=self._refresh,
            poll_seconds=POLL_SECONDS,
        )

    async def start(self) -> None:
        """Start listening."""
        self._listener.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

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

    async def _refresh(self, connection: AsyncConnection) -> None:
        # Replaces all: the database may have been restored to an older state.
        cursor = await connection.execute(FIND)
        self._known = {name: position for name, position in await cursor.fetchall()}  # noqa: C416 - typed
        for name, waiters in self._waiters.items():
            known = self.known(name)
            for position, future in waiters:
                if position <= known and not future.done():
                    future.set_result(None)
