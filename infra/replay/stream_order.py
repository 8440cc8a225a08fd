"""Reads a log up to a position, stream after stream: a row of a `Table` follows from one stream alone.

So a fold needs the rows of one batch in memory, and no batch is read again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import takewhile
from uuid import UUID

from application.ports import RecordedEvent
from infra.postgres.projector_connection import Connection
from infra.store.log_rows import PAGE_BYTES, LogRow, page_of

PAGE_EVENTS = 5_000
READ = page_of(
    """
    SELECT * FROM palimpsest.stored_events
    WHERE (originator_id, originator_version) > (%s, %s) AND notification_id <= %s
    ORDER BY originator_id, originator_version LIMIT %s
    """,
    order="originator_id, originator_version",
)

DecodeRows = Callable[[Sequence[LogRow]], Awaitable[list[RecordedEvent]]]
"""Decodes rows with `EVENT_COLUMNS`."""

StreamVersion = tuple[UUID, int]
"""A stream, and a version of it."""

BEGINNING: StreamVersion = (UUID(int=0), -1)


async def whole_streams(connection: Connection, last: int, decode: DecodeRows) -> AsyncIterator[list[RecordedEvent]]:
    """Yield the events up to the position `last`, in batches of whole streams. A batch has at least one stream."""
    begun: list[RecordedEvent] = []
    async for page in _pages(connection, last, decode):
        last_id = page[-1].stream_id
        ending = len(list(takewhile(lambda event, id=last_id: event.stream_id == id, reversed(page))))  # type: ignore[misc]
        if ending == len(page) and (not begun or begun[-1].stream_id == last_id):
            begun += page
            continue
        yield begun + page[: len(page) - ending]
        begun = page[len(page) - ending :]
    if begun:
        yield begun


async def _pages(connection: Connection, last: int, decode: DecodeRows) -> AsyncIterator[list[RecordedEvent]]:
    """Yield page after page; the next one is read while the reader of this one works."""
    reading = asyncio.create_task(_read(connection, BEGINNING, last))
    try:
        while rows := await reading:
            reading = asyncio.create_task(_read(connection, (rows[-1][1], rows[-1][2]), last))
            await asyncio.sleep(0)
            yield await decode(rows)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def _read(connection: Connection, after: StreamVersion, last: int) -> list[LogRow]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(READ.encode(), [*after, last, PAGE_EVENTS, PAGE_BYTES])
    return await cursor.fetchall()
