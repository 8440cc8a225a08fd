"""The documents that users have viewed last, in PostgreSQL. Views are collected for a second and written together."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from uuid import UUID

import structlog

from application.ports import Clock, Unavailable
from infra.postgres.database import Database

MAX_RECENT = 100
"""Documents that are kept of a user."""

NOTED_FOR = timedelta(minutes=1)
"""Within this time after a view, further ones of the same document by the same user are not noted."""

MAX_NOTED = 100_000
LINGER_SECONDS = 1.0

ViewKey = tuple[UUID, UUID]
"""The user and the document."""

# An erased user gets no further views (`erase_keys.sql`).
WRITE = """
INSERT INTO recent_documents (user_id, document_id, viewed_at)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[]) AS view (user_id, document_id, viewed_at)
WHERE NOT EXISTS (SELECT FROM data_keys WHERE subject_id = user_id AND wrapped IS NULL)
ON CONFLICT (user_id, document_id) DO UPDATE SET viewed_at = greatest(recent_documents.viewed_at, excluded.viewed_at)
"""
TRIM = """
DELETE FROM recent_documents USING unnest(%s::uuid[]) AS viewer (id)
WHERE user_id = viewer.id AND (viewed_at, document_id) <= (
    SELECT viewed_at, document_id FROM recent_documents WHERE user_id = viewer.id
    ORDER BY viewed_at DESC, document_id DESC OFFSET %s LIMIT 1
)
"""
CLEAR = "DELETE FROM recent_documents WHERE user_id = %s"

log = structlog.get_logger(__name__)


class PostgresRecentDocuments:
    """Implements `application.ports.RecentDocuments`. Call `stop` at the end."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._noted: dict[ViewKey, datetime] = {}
        """The views of the last minute, in the order of their times."""
        self._waiting: dict[ViewKey, datetime] = {}
        self._writer: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        """Held while the table is written."""

    def note(self, user_id: UUID, document_id: UUID) -> None:
        """See `RecentDocuments.note`."""
        view, now = (user_id, document_id), self._clock()
        noted = self._noted.get(view)
        if noted is not None and now < noted + NOTED_FOR:
            return
        self._noted.pop(view, None)
        if len(self._noted) >= MAX_NOTED:
            del self._noted[next(iter(self._noted))]
        self._noted[view] = self._waiting[view] = now
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())

    async def clear(self, user_id: UUID) -> None:
        """See `RecentDocuments.clear`."""
        for views in (self._noted, self._waiting):
            for view in [view for view in views if view[0] == user_id]:
                del views[view]
        async with self._lock:
            await self._database.rows(CLEAR, [user_id])

    async def stop(self) -> None:
        """Write what waits, once; what the database does not take is lost."""
        async with self._lock:
            if self._writer is not None:
                self._writer.cancel()
        await self.settle()

    async def settle(self) -> None:
        """Write what waits now. What the database does not take is lost."""
        async with self._lock:
            views, self._waiting = self._waiting, {}
            if views:
                await self._write(views)

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(LINGER_SECONDS)
                await self.settle()
                self._forget_old()
        finally:
            self._writer = None

    async def _write(self, views: Mapping[ViewKey, datetime]) -> None:
        # In one order in every process, so that none waits for another in a circle.
        users, documents, moments = zip(*[(*view, views[view]) for view in sorted(views)], strict=True)
        try:
            await self._database.rows(WRITE, [[*users], [*documents], [*moments]])
            await self._database.rows(TRIM, [[*{*users}], MAX_RECENT])
        except Unavailable:
            log.warning("views of documents are lost", views=len(views))

    def _forget_old(self) -> None:
        old = self._clock() - NOTED_FOR
        for view in [*takewhile(lambda each: self._noted[each] <= old, self._noted)]:
            del self._noted[view]
