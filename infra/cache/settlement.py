"""Settlement: whether every read of a read model shows a stream up to a position, through the table and the cache."""

import asyncio
from time import monotonic
from uuid import UUID

from application.ports import Positions
from infra.cache.read_cache import CachedReadStore
from infra.postgres.cache_lease import until_dropped
from infra.postgres.database import Database

POLL_SECONDS = 0.01
QUARANTINED = "SELECT FROM projection_quarantine WHERE projection = %s AND stream_id = %s"


class ReadSettlement:
    """Implements `application.revocation.Settlement`.

    A cache that cannot be reached counts as settled: this process does not read from it either. Another process that
    still reaches it serves its entries for at most the lease of the cache updater (30 seconds).
    """

    def __init__(self, tables: Positions, database: Database, cache: CachedReadStore | None) -> None:
        self._tables = tables
        self._database = database
        self._cache = cache

    async def wait(self, read_model: str, stream_id: UUID, position: int, timeout: float) -> bool:
        """See `application.revocation.Settlement.wait`."""
        deadline = monotonic() + timeout
        if await self._tables.wait(read_model, position, timeout):
            return False
        # The quarantine is looked up after the position: an event that was refused on the way is seen.
        if await self._database.rows(QUARANTINED, [read_model, stream_id]):
            return False
        while self._cache is not None and not await self._cache.has_reached(read_model, position):
            if monotonic() >= deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True

    async def forgotten(self, timeout: float) -> bool:
        """See `application.revocation.Settlement.forgotten`."""
        return await until_dropped(self._database, timeout)
