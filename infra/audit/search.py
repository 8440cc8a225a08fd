"""Finds events of the log by actor, request, type and time, with bounded work.

The log is read in windows of positions, each eight times as long as the one before: what is frequent is found in the
first one, and what is rare by the block range index `stored_events_search`. The planner knows neither that the filters
of the index are exact, nor what a row costs to look at, so it is not left the choice (`PLAN`).
"""

from dataclasses import fields
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from application.ports import EventFilter, Params, Point, SearchTooWide, Unavailable
from application.travel.kinds import types_of
from infra.audit.rows import TimeLoader
from infra.postgres.connect import POOL_TIMEOUT_SECONDS, AsyncConnection, Pool
from infra.postgres.database import CONNECTION_ERRORS, DATABASE, deadline
from infra.store.log_rows import EVENT_COLUMNS, HEAD, PAGE_BYTES, LogRow, page_of

SEARCH_SECONDS = 4.0
"""A search reads no further window after this time, and ends a window that takes as long."""
FIRST_WINDOW = 2_000
"""Positions of the first window."""
GROWTH = 8

PLAN = "SET LOCAL jit = off; SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = off"
AT = f"""
SELECT {EVENT_COLUMNS} FROM stored_events
WHERE originator_id = %(id)s AND (%(version)s::bigint IS NULL OR originator_version = %(version)s)
AND (%(position)s::bigint IS NULL OR notification_id <= %(position)s)
AND (%(instant)s::timestamptz IS NULL OR recorded_at <= %(instant)s)
ORDER BY originator_version DESC LIMIT 1
"""  # noqa: S608 - our own columns
FLAGS = r"get_byte(substring(state FROM 26 FOR 1) || '\x00', 0)"
"""The flags of an event; 0 of bytes that are no event's."""
CONDITIONS = {
    "stream_id": "originator_id = %s",
    "actor_id": f"CASE WHEN {FLAGS} & 1 = 1 THEN substring(state FROM 62 FOR 16) END = %s",
    "topic": "topic = ANY(%s)",
    "type": "topic = %s",
    "since": "recorded_at >= %s",
    "until": "recorded_at < %s",
    "correlation_id": f"substring(state FROM CASE {FLAGS} & 7 "
    "WHEN 4 THEN 62 WHEN 5 THEN 78 WHEN 6 THEN 78 WHEN 7 THEN 94 END FOR 16) = %s",
}
"""By the fields of a filter. Those of metadata read the bytes of events, in the words of the index."""


class LogSearch:
    """Reads rows of the log with `EVENT_COLUMNS`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def at(self, stream_id: UUID, point: Point) -> LogRow | None:
        """The last event of a stream up to a point.

        Raises:
            SearchTooWide: it takes too long.
            Unavailable: the database does not answer.
        """
        found: list[LogRow] = []
        wanted = {"version": point.version, "position": point.position, "instant": point.instant}
        await self._read(found, _At({"id": stream_id, **wanted}))
        return found[0] if found else None

    async def head(self) -> int:
        """The last position; 0: the log is empty.

        Raises:
            Unavailable: the database does not answer.
        """
        found: list[Any] = []
        await self._read(found, _Head())
        return int(found[0][0])

    async def find(self, wanted: EventFilter, after: int, limit: int) -> list[LogRow]:
        """At most `limit` events after the position `after`, in order; none only at the end.

        Raises:
            SearchTooWide: it takes too long, and nothing was found so far.
            Unavailable: the database does not answer.
        """
        found: list[LogRow] = []
        await self._read(found, _Windows(wanted, after, limit))
        return found

    async def _read(self, found: list[LogRow], reading: "_Head | _At | _Windows") -> None:
        """Read rows into `found`, which has what was found in time, too."""
        try:
            async with (
                self._pool.connection(POOL_TIMEOUT_SECONDS) as connection,
                deadline(connection),
                connection.transaction(),
            ):
                await connection.execute(f"SET LOCAL statement_timeout = '{SEARCH_SECONDS}s'".encode())
                await reading.into(found, connection)
        except psycopg.errors.QueryCanceled:
            if not found:
                raise SearchTooWide from None
        except (PoolTimeout, TimeoutError, *CONNECTION_ERRORS) as error:
            raise Unavailable(DATABASE) from error


class _Head:
    """Reads the last position."""

    async def into(self, found: list[LogRow], connection: AsyncConnection) -> None:
        found += await _rows(connection, HEAD, [])


class _At:
    """Reads the event at a point."""

    def __init__(self, params: dict[str, object]) -> None:
        self._params = params

    async def into(self, found: list[LogRow], connection: AsyncConnection) -> None:
        found += await _rows(connection, AT, self._params)


class _Windows:
    """Reads events window by window. Those of one stream are found by its key, in one window."""

    def __init__(self, wanted: EventFilter, after: int, limit: int) -> None:
        self._names = [each.name for each in fields(wanted) if getattr(wanted, each.name) is not None]
        self._values = [_stored_form(name, getattr(wanted, name)) for name in self._names]
        self._of_stream = wanted.stream_id is not None
        self._after = after
        self._limit = limit
        self._bytes = PAGE_BYTES

    async def into(self, found: list[LogRow], connection: AsyncConnection) -> None:
        [(head,)] = await _rows(connection, HEAD, [])
        if not self._of_stream:
            await connection.execute(PLAN.encode())
        end, width = monotonic() + SEARCH_SECONDS, head if self._of_stream else FIRST_WINDOW
        while self._after < head and len(found) < self._limit and self._bytes > 0:
            if monotonic() > end:
                raise psycopg.errors.QueryCanceled
            last = min(self._after + width, head)
            page = await self._window(connection, last, self._limit - len(found))
            found += page
            self._bytes -= sum(len(row[4]) for row in page)
            self._after, width = last, width * GROWTH

    async def _window(self, connection: AsyncConnection, last: int, limit: int) -> list[LogRow]:
        conditions = ["notification_id > %s", "notification_id <= %s", *[CONDITIONS[name] for name in self._names]]
        query = f"SELECT * FROM stored_events WHERE {' AND '.join(conditions)} ORDER BY notification_id LIMIT %s"  # noqa: S608
        return await _rows(connection, page_of(query), [self._after, last, *self._values, limit, self._bytes])


def _stored_form(name: str, value: Any) -> object:
    if name == "topic":
        return types_of(value)
    return value.bytes if name in ("actor_id", "correlation_id") else value


async def _rows(connection: AsyncConnection, query: str, params: Params) -> list[LogRow]:
    """The rows of a query, planned for these values."""
    cursor = connection.cursor(binary=True)
    cursor.adapters.register_loader("timestamptz", TimeLoader)
    await cursor.execute(query.encode(), params, prepare=False)
    return await cursor.fetchall()
