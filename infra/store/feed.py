"""The log as a feed: read in order, nothing skipped; LISTEN to wake, poll to be sure.

Positions become visible in order (the lock in `append_events` sees to that): "after the last one I saw" misses nothing.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from uuid import UUID

import psycopg
import structlog

from application.ports import RecordedEvent, Undecodable
from domain.kernel import Root
from infra.postgres.connect import Database, Row
from infra.sealing.keyring import Keyring, Keys
from infra.store.codec import PartlyDecoded, decode, decode_clear, subjects_in, unseal

COLUMNS = "notification_id, originator_id, originator_version, topic, state, recorded_at, actor_id"
AFTER = f"SELECT {COLUMNS} FROM stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s"  # noqa: S608
SHARE = f"""
SELECT {COLUMNS} FROM stored_events
WHERE notification_id > %s AND notification_id <= %s AND abs(uuid_hash(originator_id) %% %s) BETWEEN %s AND %s
ORDER BY notification_id LIMIT %s
"""  # noqa: S608
STREAM = f"""
SELECT {COLUMNS} FROM stored_events
WHERE originator_id = %s AND notification_id >= %s AND notification_id <= %s ORDER BY originator_version
"""  # noqa: S608
HEAD = "SELECT coalesce(max(notification_id), 0) FROM stored_events"
CHANNEL = "palimpsest_appended"
POLL_SECONDS = 1.0
HASH_SLOTS = 1_000
"""Into so many parts the streams of the log can be divided, by the hash of their ids."""

log = structlog.get_logger(__name__)


class PostgresEventFeed:
    """Reads the log from PostgreSQL. `url` is for the one connection that listens."""

    def __init__(self, database: Database, keyring: Keyring, url: str) -> None:
        self._database = database
        self._keyring = keyring
        self._url = url
        self._appended = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self._known_head = 0

    async def start(self) -> None:
        """Begin to listen."""
        self._listener = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener

    async def head(self) -> int:
        """The last position; 0 in an empty log."""
        return (await self._database.rows(HEAD, []))[0][0]  # type: ignore[no-any-return]

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after the position `after`, in order."""
        return await decoded(await self._database.rows(AFTER, [after, limit]), self._keyring)

    def share(self, slots: range, last: int) -> "ShardedFeed":
        """The streams that fall into those of all `HASH_SLOTS`, up to the position `last`."""
        return ShardedFeed(self._database, self._keyring, slots, last)

    async def stream(self, stream_id: UUID, first: int, last: int) -> Sequence[RecordedEvent]:
        """The events of one stream from position `first` to `last`, in order."""
        return await decoded(await self._database.rows(STREAM, [stream_id, first, last]), self._keyring)

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be events after `after`, at the latest after `timeout` seconds."""
        if self._known_head > after:
            return
        self._appended.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout, POLL_SECONDS)):
                await self._appended.wait()

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, keepalives_idle=10, keepalives_interval=5
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._appended.set()
                    async for note in connection.notifies():
                        self._known_head = max(self._known_head, int(note.payload))
                        self._appended.set()
            except Exception as error:
                # Polling goes on meanwhile.
                log.warning("not listening", error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)


class ShardedFeed:
    """Some of the streams in the log, up to a position. Each falls into one slot, and each slot gets about as many."""

    def __init__(self, database: Database, keyring: Keyring, slots: range, last: int) -> None:
        self._database = database
        self._keyring = keyring
        self._slots = slots
        self._last = last

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after the position `after`, in order; none at the end alone."""
        rows: list[Row] = []
        while not rows and after < self._last:
            # A stretch of the log at a time: how rare these events are is unknown to the planner.
            until = min(after + limit * HASH_SLOTS // len(self._slots), self._last)
            rows = await self._database.rows(SHARE, [after, until, HASH_SLOTS, self._slots[0], self._slots[-1], limit])
            after = until
        return await decoded(rows, self._keyring)


async def decoded(rows: Sequence[Row], keyring: Keyring) -> list[RecordedEvent]:
    """The events of stored rows, whose columns are those of `COLUMNS`.

    Whatever is wrong with one event must not stop the feed: it is `Undecodable`, and its reader decides.
    """
    begun: list[PartlyDecoded | Undecodable] = []
    for _, stream_id, _, topic, stored, _, _ in rows:
        try:
            begun.append(decode_clear(topic, stored, stream_id))
        except Exception as error:
            begun.append(Undecodable(type(error).__name__))
    # What is wrong with the keys is no event's fault.
    keys = await keyring.all(subjects_in([each for each in begun if type(each) is tuple]))
    return [
        RecordedEvent(position, stream_id, version, topic, recorded_at, actor_id, data)
        for (position, stream_id, version, topic, _, recorded_at, actor_id), data in zip(
            rows, _finished(rows, begun, keys), strict=True
        )
    ]


def _finished(
    rows: Sequence[Row], begun: Sequence[PartlyDecoded | Undecodable], keys: Keys
) -> Sequence[Root.Event | Undecodable]:
    """All in one go, or each by itself if that fails."""
    sound = [(each, row[2]) for each, row in zip(begun, rows, strict=True) if type(each) is tuple]
    try:
        events = iter(unseal([each for each, _ in sound], [version for _, version in sound], keys))
        return [each if isinstance(each, Undecodable) else next(events) for each in begun]
    except Exception:
        return [_alone(row, keys) for row in rows]


def _alone(row: Row, keys: Keys) -> Root.Event | Undecodable:
    _, stream_id, version, topic, stored, _, _ = row
    try:
        return decode(topic, stored, stream_id, version, keys)
    except Exception as error:
        return Undecodable(type(error).__name__)
