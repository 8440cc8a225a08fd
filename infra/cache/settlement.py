"""Settlement: whether every read of a read model shows a stream up to a position, through the table and the cache."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from uuid import UUID

from application.ports import Positions, SessionEnding, Sessions
from infra.cache.read_cache import CachedReadStore
from infra.postgres.cache_lease import until_dropped
from infra.postgres.database import Database
from infra.store.log_rows import HEAD

POLL_SECONDS = 0.01
QUARANTINED = "SELECT FROM projection_quarantine WHERE projection = %s AND stream_id = %s"
BEHIND = "SELECT FROM projections WHERE position < %s"


class ReadSettlement:
    """Implements `application.revocation.Settlement`.

    A cache that cannot be reached counts as settled: this process does not read from it either. Another process that
    still reaches it serves its entries for at most the lease of the cache updater (30 seconds). For an erasure it does
    not: what it holds may be read in other ways.
    """

    def __init__(
        self, tables: Positions, database: Database, cache: CachedReadStore | None, sessions: Sessions
    ) -> None:
        self._tables = tables
        self._database = database
        self._cache = cache
        self._sessions = sessions

    async def wait(self, read_model: str, stream_id: UUID, position: int, timeout: float) -> bool:
        """See `application.revocation.Settlement.wait`."""
        deadline = monotonic() + timeout
        if await self._tables.wait(read_model, position, timeout):
            return False
        # The quarantine is looked up after the position: an event that was refused on the way is seen.
        if await self._database.rows(QUARANTINED, [read_model, stream_id]):
            return False
        cache = self._cache
        return cache is None or await _until(lambda: cache.has_reached(read_model, position), deadline)

    async def forgotten(self, timeout: float) -> bool:
        """See `application.revocation.Settlement.forgotten`."""
        deadline, cache = monotonic() + timeout, self._cache
        # Not only the events of this command count: an earlier one may have been interrupted while it waited.
        [(head,)] = await self._database.rows(HEAD, [])
        return (
            await until_dropped(self._database, timeout)
            and await _until(lambda: self._tables_have_reached(head), deadline)
            and (cache is None or await _until(lambda: cache.has_forgotten(head), deadline))
        )

    async def end_sessions(self, endings: Sequence[SessionEnding]) -> bool:
        """See `application.revocation.Settlement.end_sessions`."""
        return await self._sessions.end_all(endings)

    async def _tables_have_reached(self, position: int) -> bool:
        """Whether all tables have, also those of running rebuilds and of read models that this code does not have."""
        return not await self._database.rows(BEHIND, [position])


async def _until(check: Callable[[], Awaitable[bool]], deadline: float) -> bool:
    """Poll until the check answers True, or the deadline has passed. Returns its last answer."""
    while not await check():
        if monotonic() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
