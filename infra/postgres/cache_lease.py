"""Leases of caches: what a process may keep in memory, and how others make all processes drop it before they go on.

Each process with caches has a lease, a row in `cache_leases`. It renews the lease every second, and at every
notification, by one statement, which records how far it has got and reads the invalidations after that; it drops what
they name. The statement is repeated until there are none, so that nothing waits for this process. It is repeated, too,
if the lease in the database may have ended before the statement did: it cannot see what was invalidated just then, and
that did not wait for a process without a lease. While its lease holds, its caches may be used. A process that hangs or
is cut off cannot renew: its lease ends, and it drops everything before it uses a cache again. `until_dropped` waits
until each lease has reached the last invalidation or has ended, so at most `LEASE_SECONDS`. (Leases: Gray and Cheriton,
1989.)

Only the database's clock decides when a lease ends for others. The process itself counts from before the renewal, by
its own steady clock, so that it stops first.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from uuid import UUID, uuid4

from infra.postgres.connect import AsyncConnection
from infra.postgres.database import Database
from infra.postgres.listener import Listener

CHANNEL = "palimpsest_invalidated"
LEASE_SECONDS = 3.0
RENEW_SECONDS = 1.0
POLL_SECONDS = 0.01

HEAD = "SELECT coalesce(max(number), 0) FROM invalidations"
RENEW = """
WITH renewed AS (
    INSERT INTO cache_leases (process_id, applied, ends_at)
    VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
    ON CONFLICT (process_id) DO UPDATE SET applied = EXCLUDED.applied, ends_at = EXCLUDED.ends_at
)
SELECT number, cache, key FROM invalidations WHERE number > %s ORDER BY number
"""
HOLDING = "SELECT count(*) FROM cache_leases WHERE applied < %s AND ends_at > clock_timestamp()"

Drop = Callable[[UUID | None], None]
"""Drops what a cache holds under a key; everything, if the key is None."""


class CacheLease:
    """The lease of this process. `register` a cache while it is empty; use it only while `holds`."""

    def __init__(self, url: str) -> None:
        self._process_id = uuid4()
        self._drops: dict[str, list[Drop]] = {}
        self._sweeps: list[Callable[[], None]] = []
        self._applied = 0
        self._ends_at = 0.0
        self._listener = Listener(
            url,
            CHANNEL,
            on_listening=self._renew,
            on_poll=self._renew,
            poll_seconds=RENEW_SECONDS,
        )

    def holds(self) -> bool:
        """Return whether the caches of this process may be used now."""
        return monotonic() < self._ends_at

    def register(self, cache: str, drop: Drop, sweep: Callable[[], None] = lambda: None) -> None:
        """Call `drop` for each invalidation of the cache with this name, and when a lease begins.

        `sweep` is called at every renewal, to remove what has expired.
        """
        self._drops.setdefault(cache, []).append(drop)
        self._sweeps.append(sweep)

    async def start(self) -> None:
        """Begin to renew the lease. It holds a moment later, if the database answers."""
        self._listener.start()

    async def stop(self) -> None:
        """Stop renewing, and use no cache any more. For others the lease ends by itself."""
        await self._listener.stop()
        self._ends_at = 0.0

    async def _renew(self, connection: AsyncConnection) -> None:
        recorded_until, is_recorded = self._ends_at, False
        while not is_recorded:
            began = monotonic()
            if began >= recorded_until:
                await self._drop_all(connection)
            is_last = await self._record(connection)
            if monotonic() < recorded_until:
                # The lease held all the time: what the statement could not see waits for this process.
                self._ends_at = began + LEASE_SECONDS
                is_recorded = is_last
            recorded_until = began + LEASE_SECONDS
        for sweep in self._sweeps:
            sweep()

    async def _drop_all(self, connection: AsyncConnection) -> None:
        """Drop everything: what was invalidated while there was no lease may be deleted already."""
        self._applied = (await (await connection.execute(HEAD)).fetchall())[0][0]
        for drops in self._drops.values():
            for drop in drops:
                drop(None)

    async def _record(self, connection: AsyncConnection) -> bool:
        """Renew the lease in the database, and drop what was invalidated. Returns whether there was nothing."""
        values = [self._process_id, self._applied, LEASE_SECONDS, self._applied]
        newer = await (await connection.execute(RENEW, values)).fetchall()
        for number, cache, key in newer:
            for drop in self._drops.get(cache, ()):
                drop(key)
            self._applied = number
        return not newer


async def until_dropped(database: Database, timeout: float) -> bool:
    """Wait until every process has dropped what was invalidated before this call, for at most `timeout` seconds.

    Returns whether every process has. `LEASE_SECONDS` are always enough, if the database answers.

    Raises:
        Unavailable: the database does not answer.
    """
    deadline = monotonic() + timeout
    last = (await database.rows(HEAD, []))[0][0]
    while (await database.rows(HOLDING, [last]))[0][0]:
        if monotonic() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True
