"""Reads stored streams and idempotency records by short queries in binary form.

Concurrent reads share one round trip.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.adapt import Transformer
from psycopg.pq.abc import PGresult

from application.ports import Unreadable
from infra.coalesce import Coalescer
from infra.postgres.arrays import Blobs, UuidsByInt
from infra.postgres.session import ShortQueries
from infra.store.answers import StoredAnswer
from infra.store.append_queue import StreamKey

# The newest snapshot of each stream, if any, and the events after it. `n`: the number of the stream among those wanted.
# `shape` is the snapshot version of the aggregate's class, NULL for events. A state beyond the bound of bytes is NULL,
# and its stream ends there. Rows come in no order: sorting them here takes a third of the time. OFFSET 0 keeps the
# planner from flattening the inner query.
LOAD_STREAMS = b"""
SELECT stored.version, stored.topic, stored.state, stored.position, wanted.n, stored.shape
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted(id, n)
CROSS JOIN LATERAL (
    SELECT max(originator_version) AS version FROM snapshots WHERE originator_id = wanted.id
) AS snapshot
CROSS JOIN LATERAL (
    SELECT originator_version AS version, topic, CASE WHEN octet_length(state) <= $2::bigint THEN state END AS state,
        0::bigint AS position, snapshot_version AS shape
    FROM snapshots WHERE originator_id = wanted.id AND originator_version = snapshot.version
    UNION ALL
    SELECT version, topic, CASE WHEN bytes <= $2 THEN state END, position, NULL FROM (
        SELECT originator_version AS version, topic, state, notification_id AS position,
            sum(octet_length(state)) OVER (ORDER BY originator_version ROWS UNBOUNDED PRECEDING) AS bytes
        FROM stored_events
        WHERE originator_id = wanted.id AND originator_version > coalesce(snapshot.version, -1)
        ORDER BY originator_version LIMIT $3
    ) AS event
    WHERE bytes - octet_length(state) <= $2
    OFFSET 0
) AS stored
"""
LOAD_SNAPSHOT = b"""
SELECT originator_version, state FROM snapshots
WHERE originator_id = $1 AND originator_version <= $2 AND topic = $3 AND snapshot_version = $4
ORDER BY originator_version DESC LIMIT 1
"""
# The events after $2 until their bytes exceed $5, and at least one.
LOAD_PAGE = b"""
SELECT originator_version, topic, state, notification_id FROM (
    SELECT originator_version, topic, state, notification_id,
        sum(octet_length(state)) OVER (ORDER BY originator_version ROWS UNBOUNDED PRECEDING) AS bytes
    FROM stored_events
    WHERE originator_id = $1 AND originator_version > $2 AND originator_version <= $3
    ORDER BY originator_version LIMIT $4
) AS event
WHERE bytes - octet_length(state) < $5::bigint ORDER BY originator_version
"""
LOAD_ANSWERS = b"""
SELECT kept.key, kept.fingerprint, kept.subject_id, kept.stream_id, kept.version, kept.answer, event.notification_id
FROM idempotency kept LEFT JOIN stored_events event
    ON event.originator_id = kept.stream_id AND event.originator_version = kept.version
WHERE kept.key = ANY($1)
"""

PAGE_EVENTS = 250
"""Maximum number of events per page of a history."""
PAGE_BYTES = 2 * 1024 * 1024
"""Bytes of a page of a history: a page ends with the event that reaches them."""
SHARED_EVENTS = 128
SHARED_BYTES = 64 * 1024
"""Bounds of the events of one stream, and of its snapshot, in a query that concurrent loads share."""
LATEST = 2**62
"""A version above all others."""


StoredEvent = tuple[int, str, bytes, int]
"""Version, topic, state, position. A plain tuple, since a load makes many."""


class StoredSnapshot(NamedTuple):
    """An aggregate at a version. `shape`: the snapshot version of its class when it was taken."""

    version: int
    topic: str
    state: bytes
    shape: int


@dataclass(slots=True)
class StoredStream:
    """The newest snapshot and the events after it; all events if there is no snapshot.

    `complete`: False if the stream is too large for a shared query: read its snapshot and its history instead.
    """

    snapshot: StoredSnapshot | None = None
    events: list[StoredEvent] = field(default_factory=list)
    complete: bool = True


class StreamGap(Unreadable):
    """The log lacks an event inside a stream: the table was changed by another program."""


class StreamReader:
    """Reads through two connections, so that commands never wait behind a long history."""

    def __init__(self, url: str) -> None:
        self._queries = ShortQueries(url)
        self._histories = ShortQueries(url)
        self._streams: Coalescer[StreamKey, StoredStream] = Coalescer(self._fetch_streams)
        self._answers: Coalescer[bytes, StoredAnswer] = Coalescer(self._fetch_answers)

    async def stream(self, id: UUID) -> StoredStream:
        """The newest snapshot and the events after it. Raises `Unavailable`."""
        return await self._streams.get(id.int) or StoredStream()

    async def snapshot(self, id: UUID, last: int, topic: str, shape: int) -> StoredSnapshot | None:
        """The newest snapshot up to the version `last`, of a topic and shape. Raises `Unavailable`."""
        parameters = [id.bytes, last.to_bytes(8, "big"), topic.encode(), shape.to_bytes(2, "big")]
        rows = _rows(await self._histories.result(LOAD_SNAPSHOT, parameters))
        return StoredSnapshot(rows[0][0], topic, rows[0][1], shape) if rows else None

    async def history(self, id: UUID, last: int = LATEST, *, after: int = 0) -> AsyncGenerator[list[StoredEvent], None]:
        """The events after the version `after` up to `last`, page by page; no page is empty.

        The next page is fetched while the caller handles one. Close it when done (`contextlib.aclosing`).

        Raises:
            Unavailable: the database does not answer.
        """
        upcoming: asyncio.Task[list[StoredEvent]] | None = asyncio.create_task(self._page(id, after, last))
        try:
            while upcoming is not None:
                page = await upcoming
                upcoming = None
                if page and page[-1][0] < last:
                    upcoming = asyncio.create_task(self._page(id, page[-1][0], last))
                if page:
                    yield page
        finally:
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)

    async def _page(self, id: UUID, after: int, last: int) -> list[StoredEvent]:
        numbers = [after, last, PAGE_EVENTS, PAGE_BYTES]
        return _rows(await self._histories.result(LOAD_PAGE, [id.bytes, *[n.to_bytes(8, "big") for n in numbers]]))

    def close(self) -> None:
        """Close the connections. The reader cannot be used afterwards."""
        self._queries.close()
        self._histories.close()

    async def stored_answer(self, key: bytes) -> StoredAnswer | None:
        """The stored answer to the request with this idempotency key. Raises `Unavailable`."""
        return await self._answers.get(key)

    async def _fetch_streams(self, ids: list[StreamKey]) -> Mapping[StreamKey, StoredStream]:
        bounds = [SHARED_BYTES.to_bytes(8, "big"), SHARED_EVENTS.to_bytes(8, "big")]
        result = await self._queries.result(LOAD_STREAMS, [UuidsByInt(ids).dump(), *bounds])
        streams: dict[int, StoredStream] = {}
        for version, topic, state, position, n, shape in _rows(result):
            stream = streams.get(n) or streams.setdefault(n, StoredStream())
            if state is None:
                stream.complete = False
            elif shape is None:
                stream.events.append((version, topic, state, position))
            else:
                stream.snapshot = StoredSnapshot(version, topic, state, shape)
        for stream in streams.values():
            stream.events.sort()
            stream.complete = stream.complete and len(stream.events) < SHARED_EVENTS
        return {ids[n - 1]: stream for n, stream in streams.items()}

    async def _fetch_answers(self, keys: list[bytes]) -> Mapping[bytes, StoredAnswer]:
        result = await self._queries.result(LOAD_ANSWERS, [Blobs(keys).dump()])
        answers = {}
        for n in range(result.ntuples):
            key, fingerprint, subject, stream, version, answer = [_value(result, n, column) for column in range(6)]
            position = result.get_value(n, 6)
            answers[key] = StoredAnswer(
                key,
                fingerprint,
                UUID(bytes=subject),
                UUID(bytes=stream),
                int.from_bytes(version, "big"),
                answer,
                None if position is None else int.from_bytes(position, "big"),
            )
        return answers


def _rows(result: PGresult) -> list[Any]:
    """The rows of a result, decoded by the C code of psycopg: three times as fast as value by value."""
    transformer = Transformer()
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


def _value(result: PGresult, row: int, column: int) -> bytes:
    """The value of a column that is never NULL."""
    value = result.get_value(row, column)
    assert value is not None
    return value
