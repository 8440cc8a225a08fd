"""Live sessions in memory, so that a request pays no round trip. The end of one removes it in every process.

`infra/postgres/cache_lease.py` says when the cache may be used and what it must drop. Without the lease, or for a
session that is not here, the database is asked: a process that lost touch with it refuses requests.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from time import monotonic
from typing import Protocol
from uuid import UUID

from application.ports import Actor, Clock, LiveSession
from infra.coalesce import Coalescer
from infra.postgres.database import Database

CACHE_SECONDS = 600.0
MAX_CACHED_SESSIONS = 100_000
MAX_KNOWN_ENDS = 10_000
"""Ended sessions that are remembered: requests with their tokens are refused without a query. An end is final."""

LIVE = """
SELECT id, user_id, address_id, mode, extract(epoch FROM least(idle_ends_at, ends_at))::float8 FROM sessions
WHERE id = ANY(%s) AND ended_at IS NULL
"""


class Holds(Protocol):
    """Says whether caches may be used now."""

    def __call__(self) -> bool: ...


class CachedLiveSessions:
    """Implements `application.ports.LiveSessions`. `may_be_used`: whether what is in memory counts now."""

    def __init__(self, database: Database, may_be_used: Holds, clock: Clock) -> None:
        self._database = database
        self._may_be_used = may_be_used
        self._clock = clock
        self._rows = Coalescer(self._fetch)
        self._sessions: dict[UUID, tuple[LiveSession, float]] = {}
        self._ended: dict[UUID, None] = {}
        self._watches: dict[UUID, set[DropWatch]] = {}
        self._drops = 0
        """How often something was dropped. A session that was read before a drop must not be added after it."""

    def known(self, session_id: UUID) -> LiveSession | None:
        """See `application.ports.LiveSessions.known`."""
        found = self._sessions.get(session_id)
        if found is None or not self._may_be_used() or self._clock().timestamp() >= found[0].ends:
            return None
        return found[0]

    async def find(self, session_id: UUID) -> LiveSession | None:
        """See `application.ports.LiveSessions.find`."""
        known = self.known(session_id)
        if known is not None:
            return known
        if session_id in self._ended:
            return None
        drops = self._drops
        session = await self._rows.get(session_id)
        if session is None:
            self._remember_end(session_id)
            return None
        if self._clock().timestamp() >= session.ends:
            return None
        if drops == self._drops:
            self._add(session)
        return session

    @contextmanager
    def watched(self, session_id: UUID) -> Iterator["DropWatch"]:
        """See `application.ports.LiveSessions.watched`."""
        watch = DropWatch()
        watches = self._watches.setdefault(session_id, set())
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches and self._watches.get(session_id) is watches:
                del self._watches[session_id]

    def drop(self, session_id: UUID | None) -> None:
        """Remove a session; None: all of them."""
        self._drops += 1
        if session_id is None:
            self._sessions.clear()
            watched = [watch for watches in self._watches.values() for watch in watches]
        else:
            self._sessions.pop(session_id, None)
            watched = [*self._watches.get(session_id, ())]
        for watch in watched:
            watch.notice()

    def sweep(self) -> None:
        """Remove what has been here for long."""
        now = monotonic()
        for id in [*takewhile(lambda each: self._sessions[each][1] < now, self._sessions)]:
            del self._sessions[id]

    def _remember_end(self, session_id: UUID) -> None:
        if len(self._ended) >= MAX_KNOWN_ENDS:
            del self._ended[next(iter(self._ended))]
        self._ended[session_id] = None

    def _add(self, session: LiveSession) -> None:
        if len(self._sessions) >= MAX_CACHED_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        # Sessions stay in the order in which they expire.
        self._sessions.pop(session.id, None)
        self._sessions[session.id] = (session, monotonic() + CACHE_SECONDS)

    async def _fetch(self, ids: list[UUID]) -> Mapping[UUID, LiveSession]:
        rows = await self._database.rows(LIVE, [ids])
        return {
            id: LiveSession(id, Actor(user_id, address_id), str(user_id), mode, ends)
            for id, user_id, address_id, mode, ends in rows
        }


class DropWatch:
    """Implements `application.ports.SessionWatch`."""

    def __init__(self) -> None:
        self._dropped = asyncio.Event()

    def notice(self) -> None:
        """Say that the session may have ended."""
        self._dropped.set()

    async def dropped(self) -> None:
        """See `application.ports.SessionWatch.dropped`."""
        await self._dropped.wait()
