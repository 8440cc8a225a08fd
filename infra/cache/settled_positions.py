"""Positions that reads have settled at: those of the tables, and of the cache before them."""

import asyncio
from time import monotonic

from application.ports import Positions
from infra.cache.read_cache import CachedReadStore

POLL_SECONDS = 0.01


class SettledPositions:
    """Implements `application.ports.Positions`: a read model has reached a position when its cache has, too.

    A cache that cannot be reached counts as passed: this process does not read from it either. Another process that
    still reaches it serves its entries for at most the lease of the cache updater (30 seconds).
    """

    def __init__(self, tables: Positions, cache: CachedReadStore) -> None:
        self._tables = tables
        self._cache = cache

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        """See `application.ports.Positions.wait`. A cache that is behind counts as one position."""
        deadline = monotonic() + timeout
        lag = await self._tables.wait(read_model, position, timeout)
        if lag:
            return lag
        while not await self._cache.has_reached(read_model, position):
            if monotonic() >= deadline:
                return 1
            await asyncio.sleep(POLL_SECONDS)
        return 0
