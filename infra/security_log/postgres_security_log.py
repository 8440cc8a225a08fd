"""The security log in PostgreSQL. While one batch of entries is written, the next one fills."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import structlog

from adapters.client_network import network_of
from application.ports import Client, Clock, EntryFilter, LoggedEntry, NewId, SecurityEntry, Unavailable
from infra.postgres.database import Database
from infra.sealing.blind_index import BlindIndex
from infra.sealing.damage import report_damage
from infra.sealing.keyring import DataKey, ErasedKey, KeyErased, Keyring, Keys
from infra.sealing.store_keys import Damage
from infra.security_log.folding import COUNTED, Folding
from infra.security_log.sealing import open_client, seal_client

MAX_WAITING = 10_000
"""Entries that wait for the database. Further ones are lost."""

BATCH = 500
MINUTE_SECONDS = 60.0
RETRY_SECONDS = 1.0
NETWORK_BYTES = 16
"""Enough to tell networks apart."""

# An erased user gets no further entries (`erase_keys.sql`). A statement that is run twice writes once.
INSERT = """
INSERT INTO security_log
    (at, id, user_id, session_id, request_id, action, outcome, reason, count, network, sealed)
SELECT * FROM unnest(
    %s::timestamptz[], %s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::int[],
    %s::bytea[], %s::bytea[]
) AS entry (at, id, user_id, session_id, request_id, action, outcome, reason, count, network, sealed)
WHERE NOT EXISTS (SELECT FROM data_keys WHERE subject_id = user_id AND wrapped IS NULL)
ON CONFLICT DO NOTHING
"""
SELECT = """
SELECT at, id, session_id, request_id, action, outcome, reason, count, sealed FROM security_log
WHERE user_id = %(user_id)s AND action = ANY(coalesce(%(actions)s::text[], ARRAY[action]))
    AND at >= coalesce(%(since)s, '-infinity'::timestamptz) AND at < coalesce(%(until)s, 'infinity'::timestamptz)
    AND at <= coalesce(%(before)s, 'infinity'::timestamptz)
    AND (at, id) < (coalesce(%(before)s, 'infinity'::timestamptz), coalesce(%(before_id)s, id))
ORDER BY at DESC, id DESC LIMIT %(limit)s
"""

log = structlog.get_logger("security")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An entry to write. `written`: is done once it is; None: no request waits for it."""

    logged: LoggedEntry
    written: "asyncio.Future[None] | None"


class PostgresSecurityLog:
    """Implements `application.ports.SecurityLog`. Each entry is also a log line, without the client, but of those that
    are only counted: these have one for all of a minute.

    `on_lost` is called with the number of entries that were lost. Call `stop` at the end.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        blind: BlindIndex,
        clock: Clock,
        new_id: NewId,
        on_lost: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._blind = blind
        self._clock = clock
        self._new_id = new_id
        self._on_lost = on_lost
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._folding = Folding()
        self._minute: asyncio.TimerHandle | None = None
        self._stopping = False

    async def record(self, entry: SecurityEntry) -> None:
        """See `SecurityLog.record`."""
        _report(entry)
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(entry, written)
        await written

    def note(self, entry: SecurityEntry) -> None:
        """See `SecurityLog.note`."""
        if entry.action not in COUNTED:
            _report(entry)
        if self._minute is None:
            self._minute = asyncio.get_running_loop().call_later(MINUTE_SECONDS, self._end_minute)
        if self._folding.admits(entry, _network(entry.client)):
            self._add(entry)

    async def entries(self, user_id: UUID, wanted: EntryFilter) -> list[LoggedEntry]:
        """See `SecurityLog.entries`."""
        before, before_id = wanted.before or (None, None)
        params = {
            "user_id": user_id,
            "actions": None if wanted.actions is None else sorted(wanted.actions),
            "since": wanted.since,
            "until": wanted.until,
            "before": before,
            "before_id": before_id,
            "limit": wanted.limit,
        }
        found = await self._database.rows(SELECT, params)
        keys = await self._keyring.all([user_id]) if found else {}
        return [_opened(user_id, row, keys.get(user_id.int)) for row in found]

    async def stop(self) -> None:
        """Write what waits, once; what the database does not take is lost."""
        self._stopping = True
        if self._minute is not None:
            self._minute.cancel()
            self._end_minute()
        await self.settle()

    async def settle(self) -> None:
        """Wait until all is written that waits now."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    def _end_minute(self) -> None:
        self._minute = None
        for entry in self._folding.end_minute():
            if entry.action in COUNTED:
                _report(entry)
            self._add(entry)

    def _add(self, entry: SecurityEntry, written: "asyncio.Future[None] | None" = None) -> None:
        waiting = _Waiting(LoggedEntry(self._new_id(), self._clock(), entry), written)
        if len(self._waiting) >= MAX_WAITING:
            self._lose([waiting], Unavailable("The security log"))
            return
        self._waiting.append(waiting)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._write_batch(batch)
        finally:
            self._writing = None

    async def _write_batch(self, batch: list[_Waiting]) -> None:
        try:
            await self._insert([waiting.logged for waiting in batch])
        except Unavailable as error:
            requested = [waiting for waiting in batch if waiting.written is not None]
            _finish(requested, error)
            noted = [waiting for waiting in batch if waiting.written is None]
            if self._stopping:
                self._lose(noted, error)
            else:
                self._waiting = noted + self._waiting
                await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:
            # A fault of ours, such as a missing partition, keeps no user out.
            log.error("security log cannot be written", error=type(error).__name__)
            self._on_lost(len(batch))
            _finish(batch, None)
        else:
            _finish(batch, None)

    def _lose(self, entries: Sequence[_Waiting], error: Unavailable) -> None:
        if entries:
            self._on_lost(len(entries))
            log.warning("security log entries are lost", entries=len(entries))
        _finish(entries, error)

    async def _insert(self, entries: Sequence[LoggedEntry]) -> None:
        users = {logged.entry.user_id for logged in entries if logged.entry.user_id is not None}
        keys = await self._keyring.all(users)
        rows = [self._row(logged, keys) for logged in entries]
        await self._database.rows(INSERT, [list(column) for column in zip(*rows, strict=True)])

    def _row(self, logged: LoggedEntry, keys: Keys) -> tuple[Any, ...]:
        """Return the columns of an entry, in the order of `INSERT`."""
        entry = logged.entry
        key = None if entry.user_id is None else keys.get(entry.user_id.int)
        sealed = seal_client(logged, key) if isinstance(key, DataKey) else None
        said = (entry.user_id, entry.session_id, entry.request_id, entry.action, entry.outcome, entry.reason)
        return (logged.at, logged.id, *said, entry.count, self._network_hash(logged), sealed)

    def _network_hash(self, logged: LoggedEntry) -> bytes | None:
        network = _network(logged.entry.client)
        if not network:
            return None
        day = logged.at.date().isoformat()
        return self._blind(b"network", day.encode(), network.encode())[:NETWORK_BYTES]


def _opened(user_id: UUID, row: Sequence[Any], key: DataKey | ErasedKey | None) -> LoggedEntry:
    at, id, session_id, request_id, action, outcome, reason, count, sealed = row
    entry = SecurityEntry(action, outcome, request_id, None, user_id, session_id, reason, count)
    logged = LoggedEntry(id, at, entry)
    if sealed is None or not isinstance(key, DataKey):
        return logged
    try:
        return replace(logged, entry=replace(entry, client=open_client(logged, key, sealed)))
    except KeyErased:
        return logged
    except Damage as damage:
        report_damage("security_entry", entry=str(id), reason=str(damage))
        return logged


def _network(client: Client | None) -> str:
    return "" if client is None else network_of(client.address)


def _report(entry: SecurityEntry) -> None:
    """Write the line for operators. It has ids only; the request id is in the context of the line, too."""
    said = {"user_id": entry.user_id, "session_id": entry.session_id, "reason": entry.reason}
    known = {name: str(value) for name, value in said.items() if value is not None}
    log.info("security", action=entry.action, outcome=entry.outcome, request_id=str(entry.request_id), **known)


def _finish(entries: Iterable[_Waiting], error: Unavailable | None) -> None:
    for waiting in entries:
        if waiting.written is not None and not waiting.written.done():
            if error is None:
                waiting.written.set_result(None)
            else:
                waiting.written.set_exception(error)
