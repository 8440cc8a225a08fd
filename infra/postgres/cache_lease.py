"""Leases of caches: what a process may keep in memory, and how others make all processes drop it before they go on.

Each process with caches has a lease, a row in `cache_leases`. It renews the lease every second, and at every
notification, by these steps: read the new invalidations, drop what they name, record how far it has got; then read and
drop once more, as its lease in the database may have ended before. While its lease holds, its caches may be used. A
process that hangs or is cut off cannot renew: its lease ends, and it drops everything before it uses a cache again.
`until_dropped` waits until each lease has reached the last invalidation or has ended, so at most `LEASE_SECONDS`.
(Leases: Gray and Cheriton, 1989.)

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
NEWER = "SELECT number, cache, key FROM invalidations WHERE number > %s ORDER BY number"
RENEW = """
INSERT INTO cache_leases (process_id, applied, ends_at) VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (process_id) DO UPDATE SET applied = EXCLUDED.applied, ends_at = EXCLUDED.ends_at
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
            poll_seconds=RENEW_SECONDS,
            on_listening=self._renew,
            on_poll=self._renew,
            poll_at_once=True,
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
        ends_at = monotonic() + LEASE_SECONDS
        if self.holds():
            await self._apply(connection)
        else:
            # What was invalidated meanwhile may be deleted already.
            self._applied = (await (await connection.execute(HEAD)).fetchall())[0][0]
            for drops in self._drops.values():
                for drop in drops:
                    drop(None)
        await connection.execute(RENEW, [self._process_id, self._applied, LEASE_SECONDS])
        # No process has waited for what was invalidated before that, if there was no lease then.
        await self._apply(connection)
        self._ends_at = ends_at
        for sweep in self._sweeps:
            sweep()

    async def _apply(self, connection: AsyncConnection) -> None:
        for number, cache, key in await (await connection.execute(NEWER, [self._applied])).fetchall():
            for drop in self._drops.get(cache, ()):
                drop(key)
            self._applied = number


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
