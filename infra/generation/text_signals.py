"""Wakes the watchers of a process when their texts have grown: one connection listens for all of them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from infra.postgres.connect import AsyncConnection
from infra.postgres.listener import Listener

CHANNEL = "palimpsest_partial_texts"
"""A payload is the id of a generation; each one is sent once for all that a transaction has changed."""


class PostgresTextSignals:
    """Implements `application.ports.TextSignals` between `start` and `stop`."""

    def __init__(self, url: str) -> None:
        self._watches: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._listener = Listener(url, CHANNEL, on_notification=self._on_notification, on_listening=self._on_listening)

    async def start(self) -> None:
        """Begin to listen."""
        self._listener.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

    @contextmanager
    def watched(self, generation_id: UUID) -> Iterator[asyncio.Event]:
        """See `TextSignals.watched`."""
        changed, key = asyncio.Event(), str(generation_id)
        self._watches[key].add(changed)
        try:
            yield changed
        finally:
            self._watches[key].discard(changed)
            if not self._watches[key]:
                del self._watches[key]

    def _on_notification(self, payload: str) -> None:
        for changed in self._watches.get(payload, ()):
            changed.set()

    async def _on_listening(self, _: AsyncConnection) -> None:
        """Wake all: what was said before is lost."""
        for watches in self._watches.values():
            for changed in watches:
                changed.set()
