"""Listens to one channel on a connection of its own, and reconnects after any error.

A notification only wakes its receiver, which then looks: any login may send one, with any payload. It may be lost, too,
so receivers poll as well.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter

from infra.asyncio_compat import goes_on
from infra.postgres.connect import AsyncConnection, connect_async

Query = Callable[[AsyncConnection], Awaitable[None]]

log = structlog.get_logger(__name__)


failures = Counter("palimpsest_listener_failures", "Times that listening broke off; it begins again", ["channel"])


def _do_nothing() -> None:
    """The default of `on_notification`."""


async def _no_query(_: AsyncConnection) -> None:
    """The default of `on_listening` and `on_poll`."""


class Listener:
    """Calls `on_notification` after each notification, without its payload.

    `on_listening` is awaited after each LISTEN, `on_poll` every `poll_seconds` after that, with `poll_at_once` after
    each notification too. Both may run short queries on the connection. After an error of either a new connection is
    opened.
    """

    def __init__(
        self,
        url: str,
        channel: str,
        *,
        poll_seconds: float,
        on_notification: Callable[[], None] = _do_nothing,
        on_listening: Query = _no_query,
        on_poll: Query = _no_query,
        poll_at_once: bool = False,
    ) -> None:
        self._url = url
        self._channel = channel
        self._on_notification = on_notification
        self._on_listening = on_listening
        self._on_poll = on_poll
        self._poll_seconds = poll_seconds
        failures.labels(channel)  # there from the start, with 0
        self._stop_after = 1 if poll_at_once else None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop listening, and close the connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        failing = False
        while goes_on():
            try:
                async with await connect_async(self._url, settings={"statement_timeout": "10s"}) as connection:
                    await connection.execute(f"LISTEN {self._channel}")
                    await self._on_listening(connection)
                    failing = False
                    await self._receive(connection)
            except Exception as error:
                failures.labels(self._channel).inc()
                if not failing:
                    log.warning("not listening; trying again", channel=self._channel, error=type(error).__name__)
                failing = True
                await asyncio.sleep(self._poll_seconds)

    async def _receive(self, connection: AsyncConnection) -> None:
        while goes_on():
            async for _ in connection.notifies(timeout=self._poll_seconds, stop_after=self._stop_after):
                self._on_notification()
            await self._on_poll(connection)
