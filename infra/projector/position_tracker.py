"""How far the read models have come, kept in memory by listening, so that a read that must not be too old can wait."""

import asyncio
import contextlib
from collections import defaultdict

from infra.postgres.connect import AsyncConnection
from infra.postgres.listener import Listener
from infra.projector.checkpoints import CHANNEL

POLL_SECONDS = 0.5
FIND = "SELECT name, position FROM projections"

Waiter = tuple[int, "asyncio.Future[None]"]


class PositionTracker:
    """Start it before use, stop it at the end. Without the database it knows what it knew last."""

    def __init__(self, url: str) -> None:
        self._known: dict[str, int] = {}
        self._waiters: defaultdict[str, list[Waiter]] = defaultdict(list)
        self._listener = Listener(
            url,
            CHANNEL,
            self._on_projected,
            poll_seconds=POLL_SECONDS,
            on_listening=self._refresh,
            on_poll=self._refresh_for_waiters,
        )

    async def start(self) -> None:
        """Begin to listen."""
        self._listener.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

    def known(self, read_model: str) -> int:
        """The position it had reached when last heard of; 0: nothing was heard."""
        return self._known.get(read_model, 0)

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        """Wait until the read model has reached `position`, for at most `timeout` seconds.

        Answers how many positions it is behind then: 0 when it has reached it.
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
        self._wake()

    async def _refresh_for_waiters(self, connection: AsyncConnection) -> None:
        if any(self._waiters.values()):
            await self._refresh(connection)

    def _on_projected(self, payload: str) -> None:
        name, _, position = payload.rpartition(":")
        self._known[name] = int(position)
        self._wake_for(name)

    def _wake(self) -> None:
        for name in self._waiters:
            self._wake_for(name)

    def _wake_for(self, name: str) -> None:
        known = self.known(name)
        for position, future in self._waiters.get(name, ()):
            if position <= known and not future.done():
                future.set_result(None)
