"""The group commit: appends that are in flight in this process are written by one statement.

While one batch commits, the next one gathers by itself: no timer, no delay for a lone writer. A batch holds requests
that do not touch each other; those that do wait for the next one, in order. Each request gets its own verdict.
"""

import asyncio
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from application.ports import OutcomeUnknown, Unavailable
from infra.database import BROKEN, DATABASE, deadline
from infra.sealing.keyring import WrappedKey
from infra.store.arrays import BigInts, Blobs, Bools, Ints, Texts, Uuids, register
from infra.store.line import Entry, Line

CONNECT_SECONDS = 2

APPEND = f"SELECT head, verdicts FROM append_events({', '.join(['%b'] * 30)})"  # noqa: S608


class NewEvent(msgspec.Struct, frozen=True):
    """An event as it is to be stored."""

    id: UUID
    stream_id: UUID
    version: int
    topic: str
    class_version: int
    state: bytes


class ClaimChange(msgspec.Struct, frozen=True):
    """A claim to take or to release, by its digest."""

    kind: str
    digest: bytes
    stream_id: UUID
    release: bool


class Record(msgspec.Struct, frozen=True):
    """An idempotency record with its answer sealed."""

    key: bytes
    fingerprint: bytes
    subject_id: UUID
    answer: bytes


class Request(msgspec.Struct, frozen=True):
    """One append: all of it or nothing. `expected` is the version each stream had when the request was decided."""

    expected: dict[UUID, int]
    events: list[NewEvent]
    claims: list[ClaimChange] = []
    keys: list[WrappedKey] = []
    record: Record | None = None
    actor_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None

    def touches(self) -> Iterator[object]:
        """What no other request of the same batch may touch."""
        yield from self.expected
        yield from ((claim.kind, claim.digest) for claim in self.claims)
        yield from (("key", key.subject_id) for key in self.keys)
        if self.record is not None:
            yield self.record.key

    def reached(self, stream_id: UUID) -> int:
        """The version that one of its streams has after it."""
        return max(event.version for event in self.events if event.stream_id == stream_id)

    def size(self) -> int:
        """Payload in bytes."""
        return sum(len(event.state) for event in self.events) + (len(self.record.answer) if self.record else 0)


class Verdict(msgspec.Struct, frozen=True):
    """What became of a request. `word` is `ok`, `replayed`, `conflict`, `taken:<kind>` or `rekey`."""

    word: str
    position: int


Pending = Entry[Request, Verdict]

Observe = Callable[[int, int, float], None]
"""Is told of each batch: requests, events, seconds."""


class Writer:
    """Owns the one connection that appends. Stop it at the end."""

    def __init__(self, url: str, observe: Observe = lambda *_: None) -> None:
        self._url = url
        self._observe = observe
        self._line: Line[Request, Verdict] = Line()
        self._running: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection | None = None

    async def append(self, request: Request) -> Verdict:
        """Write `request` with the next batch.

        Raises:
            Unavailable: the database does not answer; nothing was written.
            OutcomeUnknown: the connection broke on the way; it may have been written.
        """
        entry: Pending = Entry(request, asyncio.get_running_loop().create_future())
        self._line.add(entry)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await entry.verdict

    async def stop(self) -> None:
        """Write what is in line, then close the connection."""
        if self._running is not None:
            await self._running
        if self._connection is not None:
            await self._connection.close()

    async def _run(self) -> None:
        try:
            while batch := self._line.take():
                try:
                    verdicts = await self._write([entry.request for entry in batch])
                except Exception as error:
                    await self._failed(batch, error)
                else:
                    self._answer(batch, verdicts)
        finally:
            self._running = None

    def _answer(self, batch: list[Pending], verdicts: list[Verdict]) -> None:
        for entry, verdict in zip(batch, verdicts, strict=True):
            if verdict.word == "ok":
                # Whoever stands behind it with an older version in mind has lost: the database need not say so.
                for late in self._line.overtaken(entry, entry.request.reached):
                    self._line.leave(late)
                    _tell(late, Verdict("conflict", 0))
            self._line.leave(entry)
            _tell(entry, verdict)

    def _fail(self, batch: list[Pending], error: Exception) -> None:
        for entry in batch:
            self._line.leave(entry)
            if not entry.verdict.done():
                entry.verdict.set_exception(error)
                entry.verdict.exception()

    async def _failed(self, batch: list[Pending], error: Exception) -> None:
        if isinstance(error, psycopg.Error) and len(batch) > 1:
            # The database refused the statement as a whole: find the one request it is about.
            for entry in batch:
                try:
                    self._answer([entry], await self._write([entry.request]))
                except Exception as own:
                    self._fail([entry], own)
            return
        self._fail(batch, error)

    async def _write(self, requests: list[Request]) -> list[Verdict]:
        arguments = arguments_of(requests)
        started = perf_counter()
        try:
            head, words = await self._execute(arguments)
        except OutcomeUnknown:
            return await self._write_again(requests, arguments)
        self._observe(len(requests), sum(len(request.events) for request in requests), perf_counter() - started)
        return _positions(requests, head, words)

    async def _write_again(self, requests: list[Request], arguments: list[Any]) -> list[Verdict]:
        """Ask once more on a new connection. Safe: events carry their ids, so what had been committed is recognised."""
        try:
            head, words = await self._execute(arguments)
            return [
                verdict if verdict.word == "ok" else await self._recognised(request) or verdict
                for request, verdict in zip(requests, _positions(requests, head, words), strict=True)
            ]
        except (Unavailable, *BROKEN) as error:
            raise OutcomeUnknown(DATABASE) from error

    async def _execute(self, arguments: list[Any]) -> tuple[int, list[str]]:
        connection = await self._connected()
        try:
            async with deadline(connection):
                cursor = await connection.execute(APPEND, arguments, prepare=True)
                row = await cursor.fetchone()
        except TimeoutError as error:
            raise OutcomeUnknown(DATABASE) from error
        except BROKEN as error:
            if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.QueryCanceled):
                raise Unavailable(DATABASE) from error
            if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                # The server answered and rolled back (disk full, shutting down).
                raise Unavailable(DATABASE) from error
            raise OutcomeUnknown(DATABASE) from error
        assert row is not None
        return row[0], row[1]

    async def _connected(self) -> psycopg.AsyncConnection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, prepare_threshold=0, connect_timeout=CONNECT_SECONDS
                )
                register(self._connection.adapters)
                await self._connection.execute("SET lock_timeout = '5s'; SET statement_timeout = '8s'", prepare=False)
        except (psycopg.Error, TimeoutError, OSError) as error:
            raise Unavailable(DATABASE) from error
        return self._connection

    async def _recognised(self, request: Request) -> Verdict | None:
        """The verdict `ok`, if the log holds this very request."""
        if not request.events:
            return None
        last = request.events[-1]
        connection = await self._connected()
        cursor = await connection.execute(
            "SELECT event_id, notification_id FROM stored_events WHERE originator_id = %s AND originator_version = %s",
            [last.stream_id, last.version],
        )
        row = await cursor.fetchone()
        return Verdict("ok", row[1]) if row and row[0] == last.id else None


def _tell(entry: Pending, verdict: Verdict) -> None:
    if not entry.verdict.done():
        entry.verdict.set_result(verdict)


def _positions(requests: list[Request], head: int, words: list[str]) -> list[Verdict]:
    verdicts, last = [], head
    for request, word in zip(requests, words, strict=True):
        if word == "ok":
            last += len(request.events)
        position = last if request.events else head
        verdicts.append(Verdict(word, position if word == "ok" else 0))
    return verdicts


def arguments_of(requests: list[Request]) -> list[Any]:
    """The batch as the function's parallel arrays."""
    numbered = list(enumerate(requests, 1))
    streams = [(n, *stream) for n, r in numbered for stream in r.expected.items()]
    events = [(n, e, r) for n, r in numbered for e in r.events]
    claims = [(n, claim) for n, r in numbered for claim in r.claims]
    keys = [(n, key) for n, r in numbered for key in r.keys]
    records = [(n, r.record, r.events[-1] if r.events else None) for n, r in numbered if r.record is not None]
    return [
        len(requests),
        Ints(n for n, _, _ in streams),
        Uuids(stream_id for _, stream_id, _ in streams),
        BigInts(expected for _, _, expected in streams),
        Ints(n for n, _, _ in events),
        Uuids(e.stream_id for _, e, _ in events),
        BigInts(e.version for _, e, _ in events),
        Texts(e.topic for _, e, _ in events),
        Blobs(e.state for _, e, _ in events),
        Uuids(e.id for _, e, _ in events),
        Ints(e.class_version for _, e, _ in events),
        Uuids(r.actor_id for _, _, r in events),
        Uuids(r.correlation_id for _, _, r in events),
        Uuids(r.causation_id for _, _, r in events),
        Ints(n for n, _ in claims),
        Texts(c.kind for _, c in claims),
        Blobs(c.digest for _, c in claims),
        Uuids(c.stream_id for _, c in claims),
        Bools(c.release for _, c in claims),
        Ints(n for n, _ in keys),
        Uuids(k.subject_id for _, k in keys),
        Blobs(k.wrapped for _, k in keys),
        Texts(k.kek_id for _, k in keys),
        Ints(n for n, _, _ in records),
        Blobs(r.key for _, r, _ in records),
        Blobs(r.fingerprint for _, r, _ in records),
        Uuids(r.subject_id for _, r, _ in records),
        Blobs(r.answer for _, r, _ in records),
        Uuids(e and e.stream_id for _, _, e in records),
        BigInts(e and e.version for _, _, e in records),
    ]
