"""The log as a feed: reads in order and skips nothing. LISTEN wakes it, polling finds what LISTEN misses.

Positions become visible in order (by the lock in `append_events`), so reading after the last seen position is complete.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from uuid import UUID

from application.ports import RecordedEvent
from infra.postgres.connect import AsyncConnection
from infra.postgres.database import Database, ResultRow
from infra.postgres.listener import Listener
from infra.sealing.keyring import Keyring
from infra.store.log_rows import APPENDED_CHANNEL, HEAD, PAGE_BYTES, decode_rows, page_of

READ_AFTER = page_of("SELECT * FROM stored_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s")
READ_SHARD = page_of("""
    SELECT * FROM stored_events
    WHERE notification_id > %s AND notification_id <= %s AND abs(uuid_hash(originator_id) %% %s) BETWEEN %s AND %s
    ORDER BY notification_id LIMIT %s
""")
READ_STREAM = page_of("""
    SELECT * FROM stored_events WHERE originator_id = %s AND notification_id >= %s AND notification_id <= %s
    ORDER BY originator_version LIMIT %s
""")
READ_STREAMS = page_of("""
    SELECT * FROM stored_events WHERE originator_id = ANY(%s) AND notification_id > %s
    ORDER BY notification_id LIMIT %s
""")
STREAM_PAGE_EVENTS = 2_000
POLL_SECONDS = 1.0
HASH_SLOTS = 1_000
"""The number of slots into which streams fall by the hash of their ids. A shard is a range of slots."""


class PostgresEventFeed:
    """Reads the log from PostgreSQL. `url` is for the connection that listens."""

    def __init__(self, database: Database, keyring: Keyring, url: str) -> None:
        self._database = database
        self._keyring = keyring
        self._appended = asyncio.Event()
        self._notifications = 0
        self._known_head = 0
        self._looked = (-1, 0)
        """The last position that was read after, and the number of notifications at that time."""
        self._listener = Listener(
            url,
            APPENDED_CHANNEL,
            on_notification=lambda _: self._on_appended(),
            on_listening=self._on_listening,
        )

    async def start(self) -> None:
        """Begin to listen."""
        self._listener.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

    async def head(self) -> int:
        """The last position; 0 in an empty log."""
        return (await self._database.rows(HEAD, []))[0][0]  # type: ignore[no-any-return]

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after the position `after`, in order."""
        self._looked = max(self._looked, (after, self._notifications))
        rows = await self._database.rows(READ_AFTER, [after, limit, PAGE_BYTES])
        self._known_head = max(self._known_head, rows[-1][0] if rows else 0)
        return await decode_rows(rows, self._keyring)

    def shard(self, slots: range, last: int) -> "ShardedFeed":
        """The streams in `slots`, a range within `HASH_SLOTS`, up to the position `last`."""
        return ShardedFeed(self._database, self._keyring, slots, last)

    async def stream(self, stream_id: UUID, first: int, last: int) -> Sequence[RecordedEvent]:
        """A page of the events of one stream from position `first` to `last`, in order."""
        parameters = [stream_id, first, last, STREAM_PAGE_EVENTS, PAGE_BYTES]
        return await decode_rows(await self._database.rows(READ_STREAM, parameters), self._keyring)

    async def read_streams(self, stream_ids: Sequence[UUID], after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events of these streams after the position `after`, in order; none only at the end."""
        rows = await self._database.rows(READ_STREAMS, [[*stream_ids], after, limit, PAGE_BYTES])
        return await decode_rows(rows, self._keyring)

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be events after `after`, at the latest after `timeout` seconds or a poll interval."""
        position, notifications = self._looked
        if self._known_head > after or (position == after and notifications != self._notifications):
            return
        self._appended.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout, POLL_SECONDS)):
                await self._appended.wait()

    async def _on_listening(self, _: AsyncConnection) -> None:
        self._on_appended()

    def _on_appended(self) -> None:
        self._notifications += 1
        self._appended.set()


class ShardedFeed:
    """The streams of a range of slots, up to a position. Slots have about the same number of streams."""

    def __init__(self, database: Database, keyring: Keyring, slots: range, last: int) -> None:
        self._database = database
        self._keyring = keyring
        self._slots = slots
        self._last = last

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after the position `after`, in order; none only at the end."""
        rows: list[ResultRow] = []
        while not rows and after < self._last:
            # One range of positions at a time: the planner does not know how rare these events are.
            until = min(after + limit * HASH_SLOTS // len(self._slots), self._last)
            rows = await self._database.rows(
                READ_SHARD, [after, until, HASH_SLOTS, self._slots[0], self._slots[-1], limit, PAGE_BYTES]
            )
            after = until
        return await decode_rows(rows, self._keyring)
