"""Listens to one channel on a connection of its own, and reconnects after any error.

A notification only wakes its receiver, which then looks: any login may send one, with any payload. It may be lost, too,
so receivers poll as well, here or by themselves. Between notifications and polls a listener sleeps.
"""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter

from infra.asyncio_compat import goes_on
from infra.postgres.connect import AsyncConnection, connect_async

Query = Callable[[AsyncConnection], Awaitable[None]]

log = structlog.get_logger(__name__)


RECONNECT_SECONDS = 0.5

failures = Counter("palimpsest_listener_failures", "Times that listening broke off; it begins again", ["channel"])


def _do_nothing(_: str) -> None:
    """The default of `on_notification`."""


async def _no_query(_: AsyncConnection) -> None:
    """The default of `on_listening`."""


class Listener:
    """Calls `on_notification` after each notification, with its payload: a hint that anybody may have sent.

    `on_listening` is awaited after each LISTEN; `on_poll`, if there is one, after each notification, and `poll_seconds`
    after it ran last. Both may run short queries on the connection. After an error of either a new one is opened.
    """

    def __init__(
        self,
        url: str,
        channel: str,
        *,
        on_notification: Callable[[str], None] = _do_nothing,
        on_listening: Query = _no_query,
        on_poll: Query | None = None,
        poll_seconds: float = math.inf,
    ) -> None:
        self._url = url
        self._channel = channel
        self._on_notification = on_notification
        self._on_listening = on_listening
        self._on_poll = on_poll
        self._poll_seconds = poll_seconds
        failures.labels(channel)  # there from the start, with 0
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
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _receive(self, connection: AsyncConnection) -> None:
        loop = asyncio.get_running_loop()
        poll_at = loop.time() + self._poll_seconds
        while goes_on():
            notifications = [each async for each in connection.notifies(timeout=0)]
            for each in notifications:
                self._on_notification(each.payload)
            if self._on_poll is not None and (notifications or loop.time() >= poll_at):
                await self._on_poll(connection)
                poll_at = loop.time() + self._poll_seconds
            else:
                await _wait_for_input(connection, poll_at)


async def _wait_for_input(connection: AsyncConnection, until: float) -> None:
    """Wait until the socket has something to read, or until then. psycopg would wake up ten times a second."""
    loop = asyncio.get_running_loop()
    socket, readable = connection.fileno(), asyncio.Event()
    loop.add_reader(socket, readable.set)
    try:
        async with asyncio.timeout_at(None if until == math.inf else until):
            await readable.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(socket)
