"""Reads streams and idempotency records as they are stored, by short queries in binary form.

Gets that are in flight at once share one round trip.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.pq.abc import PGresult

from infra.coalesce import Coalescer
from infra.postgres.arrays import Blobs, UuidsByInt
from infra.postgres.session import ShortQueries

# The newest snapshot of each stream, if any, and the events after it. Snapshots come first and carry their version of
# the aggregate's shape where events carry NULL. OFFSET keeps the planner from taking the inner query apart.
LOAD = b"""
SELECT stored.version, stored.topic, stored.state, wanted.id, stored.shape
FROM unnest($1::uuid[]) AS wanted(id)
CROSS JOIN LATERAL (
    SELECT max(originator_version) AS version FROM snapshots WHERE originator_id = wanted.id
) AS snapshot
CROSS JOIN LATERAL (
    SELECT originator_version AS version, topic, state, snapshot_version AS shape FROM snapshots
    WHERE originator_id = wanted.id AND originator_version = snapshot.version
    UNION ALL
    SELECT originator_version, topic, state, NULL FROM stored_events
    WHERE originator_id = wanted.id AND originator_version > coalesce(snapshot.version, -1)
    OFFSET 0
) AS stored
ORDER BY wanted.id, stored.version, stored.shape
"""
HISTORY = b"""
SELECT originator_version, topic, state FROM stored_events
WHERE originator_id = $1 AND originator_version > $2 AND originator_version <= $3 ORDER BY originator_version
"""
EARLIER = b"SELECT key, fingerprint, answer, subject_id, position FROM idempotency WHERE key = ANY($1)"

PAGE = 250
"""Events of one stream that are read at once."""
LATEST = 2**62


StoredEvent = tuple[int, str, bytes]
"""Version, topic, state. A plain tuple: very many are made."""


class StoredSnapshot(NamedTuple):
    """An aggregate at a version; `shape` is the version of the class that it was taken of."""

    version: int
    topic: str
    state: bytes
    shape: int


@dataclass(slots=True)
class StoredStream:
    """The newest snapshot, if there is one, and the events after it; without one, all events."""

    snapshot: StoredSnapshot | None = None
    events: list[StoredEvent] = field(default_factory=list)


class StreamGap(Exception):
    """The log lacks an event amid a stream: it was changed from outside."""


class StoredAnswer(NamedTuple):
    """What is kept of a keyed request, its answer sealed."""

    fingerprint: bytes
    answer: bytes
    subject_id: UUID
    position: int


class StreamReader:
    """Reads through two connections: histories may be long, and what commands wait for must not stand behind them."""

    def __init__(self, url: str) -> None:
        self._queries = ShortQueries(url)
        self._histories = ShortQueries(url)
        self._streams: Coalescer[int, StoredStream] = Coalescer(self._fetch_streams)
        self._answers: Coalescer[bytes, StoredAnswer] = Coalescer(self._fetch_answers)

    async def stream(self, id: UUID) -> StoredStream:
        """What it takes to know the aggregate as it is now."""
        return await self._streams.get(id.int) or StoredStream()

    async def history(self, id: UUID, last: int = LATEST) -> AsyncGenerator[list[StoredEvent], None]:
        """All events up to the version `last`, page by page; while one page is looked at, the next is on its way.

        Close it when done (`contextlib.aclosing`). Raises `Unavailable`.
        """
        coming: asyncio.Task[list[StoredEvent]] | None = None
        try:
            for after in range(0, last, PAGE):
                page = coming or self._page(id, after, last)
                coming = asyncio.create_task(self._page(id, after + PAGE, last)) if after + PAGE < last else None
                events = await page
                yield events
                if len(events) < PAGE:
                    break
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    async def _page(self, id: UUID, after: int, last: int) -> list[StoredEvent]:
        parameters = [id.bytes, after.to_bytes(8, "big"), min(after + PAGE, last).to_bytes(8, "big")]
        return _events(await self._histories.result(HISTORY, parameters))

    def close(self) -> None:
        """Close the connections, for good."""
        self._queries.close()
        self._histories.close()

    async def answer(self, key: bytes) -> StoredAnswer | None:
        """What was answered to the request with this key."""
        return await self._answers.get(key)

    async def _fetch_streams(self, ids: list[int]) -> Mapping[int, StoredStream]:
        result = await self._queries.result(LOAD, [UuidsByInt(ids).dump()])
        streams: dict[int, StoredStream] = {}
        for n, event in enumerate(_events(result)):
            stream = streams.setdefault(int.from_bytes(_value(result, n, 3), "big"), StoredStream())
            shape = result.get_value(n, 4)
            if shape is None:
                stream.events.append(event)
            else:
                stream.snapshot = StoredSnapshot(*event, int.from_bytes(shape, "big"))
        return streams

    async def _fetch_answers(self, keys: list[bytes]) -> Mapping[bytes, StoredAnswer]:
        result = await self._queries.result(EARLIER, [Blobs(keys).dump()])
        found = {}
        for n in range(result.ntuples):
            key, fingerprint, answer, subject, position = [_value(result, n, column) for column in range(5)]
            found[key] = StoredAnswer(fingerprint, answer, UUID(bytes=subject), int.from_bytes(position, "big"))
        return found


def _events(result: PGresult) -> list[StoredEvent]:
    """Of a result whose first columns are version, topic and state."""
    value: Callable[[int, int], Any] = result.get_value
    number = int.from_bytes
    return [(number(value(n, 0), "big"), value(n, 1).decode(), value(n, 2)) for n in range(result.ntuples)]


def _value(result: PGresult, row: int, column: int) -> bytes:
    """Of a column that is never NULL."""
    value = result.get_value(row, column)
    assert value is not None
    return value
