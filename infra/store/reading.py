"""Reads streams and idempotency records as they are stored, by short queries in binary form.

Gets that are in flight at once share one round trip.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from psycopg.pq.abc import PGresult

from infra.coalesce import Coalescer
from infra.session import ShortQueries
from infra.store.arrays import Blobs, UuidsByInt

STRETCH = b"""
SELECT max(originator_version) AS last, string_agg(topic, E'\\n' ORDER BY originator_version) AS topics,
    string_agg(state, '' ORDER BY originator_version) AS states
FROM stored_events
"""
HISTORY = STRETCH + b"WHERE originator_id = $1 AND originator_version > $2 AND originator_version <= $3"
# The newest snapshot of each stream, if any, and the events after it.
LOAD = (
    b"""
SELECT stretch.*, wanted.id, snapshot.*
FROM unnest($1::uuid[]) AS wanted(id)
LEFT JOIN LATERAL (
    SELECT originator_version AS version, topic, state, snapshot_version AS shape FROM snapshots
    WHERE originator_id = wanted.id ORDER BY originator_version DESC LIMIT 1
) AS snapshot ON true
CROSS JOIN LATERAL (
    %b WHERE originator_id = wanted.id AND originator_version > coalesce(snapshot.version, 0)
) AS stretch
"""
    % STRETCH
)
EARLIER = b"SELECT key, fingerprint, answer, subject_id, position FROM idempotency WHERE key = ANY($1)"

PAGE = 250
"""Events of one stream that are read at once."""
LATEST = 2**62


class Stretch(NamedTuple):
    """Events of one stream that follow one another, from the version `first`. Their states are stored one behind the
    other: taking each from PostgreSQL by itself takes a quarter of a long load's time."""

    first: int
    topics: Sequence[str] = ()
    states: bytes = b""


class StoredSnapshot(NamedTuple):
    """An aggregate at a version; `shape` is the version of the class that it was taken of."""

    version: int
    topic: str
    state: bytes
    shape: int


class Stream(NamedTuple):
    """The newest snapshot, if there is one, and the events after it; without one, all events."""

    snapshot: StoredSnapshot | None
    events: Stretch


class Gap(Exception):
    """The log lacks an event amid a stream: it was changed from outside."""


class StoredAnswer(NamedTuple):
    """What is kept of a keyed request, its answer sealed."""

    fingerprint: bytes
    answer: bytes
    subject_id: UUID
    position: int


class Reading:
    """Reads through two connections: histories may be long, and what commands wait for must not stand behind them."""

    def __init__(self, url: str) -> None:
        self._queries = ShortQueries(url)
        self._histories = ShortQueries(url)
        self._streams: Coalescer[int, Stream] = Coalescer(self._fetch_streams)
        self._answers: Coalescer[bytes, StoredAnswer] = Coalescer(self._fetch_answers)

    async def stream(self, id: UUID) -> Stream:
        """What it takes to know the aggregate as it is now."""
        return await self._streams.get(id.int) or Stream(None, Stretch(1))

    async def history(self, id: UUID, last: int = LATEST) -> AsyncGenerator[Stretch, None]:
        """All events up to the version `last`, page by page; while one page is looked at, the next is on its way.

        Close it when done (`contextlib.aclosing`). Raises `Unavailable` and `Gap`.
        """
        coming: asyncio.Task[Stretch] | None = None
        try:
            for after in range(0, last, PAGE):
                page = coming or self._page(id, after, last)
                coming = asyncio.create_task(self._page(id, after + PAGE, last)) if after + PAGE < last else None
                events = await page
                yield events
                if len(events.topics) < PAGE:
                    break
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)

    async def _page(self, id: UUID, after: int, last: int) -> Stretch:
        parameters = [id.bytes, after.to_bytes(8, "big"), min(after + PAGE, last).to_bytes(8, "big")]
        return _stretch(await self._histories.result(HISTORY, parameters), 0, after + 1)

    def close(self) -> None:
        """Close the connections, for good."""
        self._queries.close()
        self._histories.close()

    async def answer(self, key: bytes) -> StoredAnswer | None:
        """What was answered to the request with this key."""
        return await self._answers.get(key)

    async def _fetch_streams(self, ids: list[int]) -> Mapping[int, Stream]:
        result = await self._queries.result(LOAD, [UuidsByInt(ids).dump()])
        streams: dict[int, Stream] = {}
        for n in range(result.ntuples):
            snapshot = None
            if result.get_value(n, 4) is not None:
                version, topic, state, shape = [_value(result, n, column) for column in range(4, 8)]
                snapshot = StoredSnapshot(_number(version), topic.decode(), state, _number(shape))
            first = 1 if snapshot is None else snapshot.version + 1
            streams[_number(_value(result, n, 3))] = Stream(snapshot, _stretch(result, n, first))
        return streams

    async def _fetch_answers(self, keys: list[bytes]) -> Mapping[bytes, StoredAnswer]:
        result = await self._queries.result(EARLIER, [Blobs(keys).dump()])
        found = {}
        for n in range(result.ntuples):
            key, fingerprint, answer, subject, position = [_value(result, n, column) for column in range(5)]
            found[key] = StoredAnswer(fingerprint, answer, UUID(bytes=subject), _number(position))
        return found


def _stretch(result: PGresult, row: int, first: int) -> Stretch:
    """Of a row whose first columns are those of `STRETCH`."""
    last = result.get_value(row, 0)
    if last is None:
        return Stretch(first)
    topics = _value(result, row, 1).decode().split("\n")
    if first + len(topics) != _number(last) + 1:
        raise Gap(f"of {_number(last) + 1 - first} events from version {first} there are {len(topics)}")
    return Stretch(first, topics, _value(result, row, 2))


def _number(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _value(result: PGresult, row: int, column: int) -> bytes:
    """Of a column that is never NULL."""
    value = result.get_value(row, column)
    assert value is not None
    return value
