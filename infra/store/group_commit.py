"""The group commit: appends that are in flight in this process are written by one statement.

While one batch commits, the next one gathers by itself: no timer, no delay for a lone writer. A batch holds requests
that do not touch each other; those that do wait for the next one, in order. Each request gets its own verdict.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Any

import psycopg
from psycopg.pq.abc import PGresult

from application.ports import OutcomeUnknown, Unavailable
from infra.postgres.connect import DATABASE
from infra.postgres.pipeline import ConnectionLost, Pipeline
from infra.postgres.session import PipelineSession
from infra.store.append_batch import AppendOutcome, AppendRequest, decode_outcomes, encode_call
from infra.store.append_queue import AppendQueue, PendingAppend

WORTH_HALVING = 8

FIND = b"""
SELECT notification_id FROM stored_events WHERE event_id = $1 AND originator_id = $2 AND originator_version = $3
"""


PendingRequest = PendingAppend[AppendRequest, AppendOutcome]

Observe = Callable[[int, int, float], None]
"""Is told of each batch: requests, events, seconds."""


class GroupCommitter:
    """Owns the one connection that appends. Stop it at the end."""

    def __init__(self, url: str, observe: Observe = lambda *_: None) -> None:
        self._session = PipelineSession(url, "SET lock_timeout = '5s'; SET statement_timeout = '8s'")
        self._observe = observe
        self._line: AppendQueue[AppendRequest, AppendOutcome] = AppendQueue()
        self._under_way: dict[asyncio.Future[Any], int] = {}
        self._woken = False

    async def append(self, request: AppendRequest) -> AppendOutcome:
        """Write `request` with the next batch.

        Raises:
            Unavailable: the database does not answer; nothing was written.
            OutcomeUnknown: the connection broke on the way; it may have been written.
        """
        loop = asyncio.get_running_loop()
        entry: PendingRequest = PendingAppend(request, loop.create_future())
        self._line.add(entry)
        if not self._woken:
            # What is appended in the same turn of the loop goes together.
            self._woken = True
            loop.call_soon(self._wake)
        return await entry.verdict

    async def stop(self) -> None:
        """Write what is in line, then close the connection."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        self._session.close()

    def _wake(self) -> None:
        self._woken = False
        while number := batch_size(self._line.ready, list(self._under_way.values())):
            batch = self._line.take(number)
            pipeline = self._session.pipeline
            if pipeline is None:
                self._follow(batch)
            else:
                self._send(pipeline, batch)

    def _send(self, pipeline: Pipeline, batch: list[PendingRequest]) -> None:
        """The usual way, without a task: send the batch, and answer when the database has."""
        requests = [entry.request for entry in batch]
        try:
            call = encode_call(requests)
        except Exception as error:
            self._fail(batch, error)
            return
        started = perf_counter()

        def answered(answer: "asyncio.Future[PGresult]") -> None:
            del self._under_way[answer]
            if answer.exception() is not None:
                self._follow(batch, answer)
            else:
                self._observed(requests, started)
                self._answer(batch, decode_outcomes(requests, answer.result()))
                self._wake()

        answer = pipeline.execute(*call)
        self._under_way[answer] = len(batch)
        answer.add_done_callback(answered)

    def _follow(self, batch: list[PendingRequest], answer: "asyncio.Future[PGresult] | None" = None) -> None:
        """Write the batch whatever it takes; `answer` is how it has failed so far."""
        task = asyncio.create_task(self._run(batch, answer))
        self._under_way[task] = len(batch)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        del self._under_way[task]
        self._wake()

    async def _run(self, batch: list[PendingRequest], answer: "asyncio.Future[PGresult] | None") -> None:
        try:
            verdicts = await self._write([entry.request for entry in batch], answer)
        except Exception as error:
            await self._failed(batch, error)
        else:
            self._answer(batch, verdicts)

    def _answer(self, batch: list[PendingRequest], verdicts: list[AppendOutcome]) -> None:
        for entry, verdict in zip(batch, verdicts, strict=True):
            if verdict.word == "ok":
                # Whoever stands behind it with an older version in mind has lost: the database need not say so.
                for late in self._line.overtaken(entry, entry.request.reached):
                    self._line.leave(late)
                    _tell(late, AppendOutcome("conflict", 0))
            self._line.leave(entry)
            _tell(entry, verdict)

    def _fail(self, batch: list[PendingRequest], error: Exception) -> None:
        for entry in batch:
            self._line.leave(entry)
            if not entry.verdict.done():
                entry.verdict.set_exception(error)
                entry.verdict.exception()

    async def _failed(self, batch: list[PendingRequest], error: Exception) -> None:
        if isinstance(error, psycopg.Error) and len(batch) > 1:
            # The database refused the statement as a whole: find the one request it is about.
            for entry in batch:
                try:
                    self._answer([entry], await self._write([entry.request]))
                except Exception as own:
                    self._fail([entry], own)
            return
        self._fail(batch, error)

    async def _write(
        self, requests: list[AppendRequest], answer: "asyncio.Future[PGresult] | None" = None
    ) -> list[AppendOutcome]:
        call = encode_call(requests)
        started = perf_counter()
        try:
            verdicts = decode_outcomes(requests, await self._execute(*call, answer))
        except OutcomeUnknown:
            return await self._write_again(requests, call)
        self._observed(requests, started)
        return verdicts

    def _observed(self, requests: list[AppendRequest], started: float) -> None:
        self._observe(len(requests), sum([len(request.events) for request in requests]), perf_counter() - started)

    async def _write_again(self, requests: list[AppendRequest], call: tuple[bytes, list[bytes]]) -> list[AppendOutcome]:
        """Ask once more on a new connection. Safe: events carry their ids, so what had been committed is recognised."""
        try:
            return [
                verdict if verdict.word == "ok" else await self._recognised(request) or verdict
                for request, verdict in zip(
                    requests, decode_outcomes(requests, await self._execute(*call)), strict=True
                )
            ]
        except (Unavailable, psycopg.OperationalError) as error:
            raise OutcomeUnknown(DATABASE) from error

    async def _execute(
        self, statement: bytes, parameters: list[bytes], answer: "asyncio.Future[PGresult] | None" = None
    ) -> PGresult:
        if answer is None:
            answer = (await self._session.connected()).execute(statement, parameters)
        try:
            return await answer
        except ConnectionLost as error:
            raise OutcomeUnknown(DATABASE) from error
        except psycopg.OperationalError as error:
            # The server answered and rolled back (disk full, a lock held for too long).
            raise Unavailable(DATABASE) from error

    async def _recognised(self, request: AppendRequest) -> AppendOutcome | None:
        """The verdict `ok`, if the log holds this very request."""
        if not request.events:
            return None
        last = request.events[-1]
        pipeline = await self._session.connected()
        found = await pipeline.execute(FIND, [last.id, last.stream_id.bytes, last.version.to_bytes(8, "big")])
        position = found.get_value(0, 0) if found.ntuples else None
        return AppendOutcome("ok", int.from_bytes(position, "big")) if position is not None else None


def batch_size(ready: int, under_way: list[int]) -> int:
    """How many of the requests that are ready go now, given the sizes of the batches under way.

    Of many, half: while the server writes one half, those of the other half are answered and come with their next.
    A second batch goes only when it is as large as the one under way; more than two never do.
    """
    if not under_way:
        return ready // 2 if ready >= WORTH_HALVING else ready
    return ready if len(under_way) == 1 and ready >= under_way[0] else 0


def _tell(entry: PendingRequest, verdict: AppendOutcome) -> None:
    if not entry.verdict.done():
        entry.verdict.set_result(verdict)
