"""Group commit: the appends in flight in this process are written by one statement.

While one batch commits, the next one fills: no timer, and no delay for a single writer. The requests of a batch do not
conflict with each other; a request that conflicts waits for a later batch, in order. Each request gets its own outcome.
"""

import asyncio
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import psycopg
from psycopg.pq.abc import PGresult

from application.ports import OutcomeUnknown, Unavailable
from infra.postgres.database import DATABASE
from infra.postgres.pipeline import ConnectionLost, Pipeline
from infra.postgres.session import PipelineSession
from infra.store.append_batch import (
    CONFLICT,
    AppendOutcome,
    AppendRequest,
    AppendStatus,
    decode_outcomes,
    encode_call,
)
from infra.store.append_queue import AppendQueue, PendingAppend

MIN_REQUESTS_TO_HALVE = 8

FIND_EVENT = b"""
SELECT notification_id FROM stored_events WHERE originator_id = $1 AND originator_version = $2 AND state = $3
"""


PendingRequest = PendingAppend[AppendRequest, AppendOutcome]

Observe = Callable[[int, int, float], None]
"""Called after each batch, even one sent twice, with the number of requests, the number of events, and seconds."""


class GroupCommitter:
    """Owns the one connection that appends. Call `stop` at the end."""

    def __init__(self, url: str, observe: Observe = lambda *_: None) -> None:
        self._session = PipelineSession(url, {"lock_timeout": "5s", "statement_timeout": "8s"})
        self._observe = observe
        self._queue: AppendQueue[AppendRequest, AppendOutcome] = AppendQueue()
        self._in_flight: dict[asyncio.Future[Any], int] = {}
        """The batches that are being written, with the number of their requests."""
        self._scheduled = False

    async def append(self, request: AppendRequest) -> AppendOutcome:
        """Write `request` with the next batch.

        Raises:
            Unavailable: the database does not answer; nothing was written.
            OutcomeUnknown: the connection broke before the answer; the request may have been written.
        """
        loop = asyncio.get_running_loop()
        pending: PendingRequest = PendingAppend(request, loop.create_future())
        self._queue.add(pending)
        if not self._scheduled:
            # Appends from the same event-loop iteration share a batch.
            self._scheduled = True
            loop.call_soon(self._run_scheduled)
        return await pending.outcome

    async def stop(self) -> None:
        """Write what is queued, then close the connection."""
        while self._in_flight:
            await asyncio.wait(self._in_flight)
        self._session.close()

    def _run_scheduled(self) -> None:
        self._scheduled = False
        self._send_ready()

    def _send_ready(self) -> None:
        while number := batch_size(self._queue.ready, list(self._in_flight.values())):
            batch = self._queue.next_batch(number)
            pipeline = self._session.pipeline
            if pipeline is None:
                self._write_in_task(batch)
            else:
                self._send(pipeline, batch)

    def _send(self, pipeline: Pipeline, batch: list[PendingRequest]) -> None:
        """Send the batch without a task (the usual case); a task takes over if the first attempt fails."""
        requests = [pending.request for pending in batch]
        try:
            call = encode_call(requests)
        except Exception as error:
            self._reject(batch, error)
            return
        started = perf_counter()

        def on_answer(answer: "asyncio.Future[PGresult]") -> None:
            del self._in_flight[answer]
            if answer.exception() is not None:
                self._write_in_task(batch, answer)
            else:
                self._record(requests, started)
                self._resolve(batch, decode_outcomes(requests, answer.result()))
                self._send_ready()

        answer = pipeline.execute(*call)
        self._in_flight[answer] = len(batch)
        answer.add_done_callback(on_answer)

    def _write_in_task(self, batch: list[PendingRequest], answer: "asyncio.Future[PGresult] | None" = None) -> None:
        """Write the batch, with connecting and retries. `answer`: the failed first attempt, if there was one."""
        task = asyncio.create_task(self._write_batch(batch, answer))
        self._in_flight[task] = len(batch)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        del self._in_flight[task]
        self._send_ready()

    async def _write_batch(self, batch: list[PendingRequest], answer: "asyncio.Future[PGresult] | None") -> None:
        try:
            outcomes = await self._write([pending.request for pending in batch], answer)
        except Exception as error:
            if isinstance(error, psycopg.Error) and len(batch) > 1:
                await self._write_one_by_one(batch)
            else:
                self._reject(batch, error)
        else:
            self._resolve(batch, outcomes)

    async def _write_one_by_one(self, batch: Iterable[PendingRequest]) -> None:
        """The database refused the statement as a whole: find the request that causes it."""
        for pending in batch:
            try:
                self._resolve([pending], await self._write([pending.request]))
            except Exception as error:
                self._reject([pending], error)

    def _resolve(self, batch: list[PendingRequest], outcomes: list[AppendOutcome]) -> None:
        for pending, outcome in zip(batch, outcomes, strict=True):
            if outcome.status is AppendStatus.OK:
                # Requests behind it that expect an older version conflict: no need to ask the database.
                for stale in self._queue.stale_after(pending, pending.request.version_after):
                    self._queue.release(stale)
                    _set_outcome(stale, CONFLICT)
            self._queue.release(pending)
            _set_outcome(pending, outcome)

    def _reject(self, batch: list[PendingRequest], error: Exception) -> None:
        for pending in batch:
            self._queue.release(pending)
            if not pending.outcome.done():
                pending.outcome.set_exception(error)
                # Marks the error as seen: the caller may have been cancelled.
                pending.outcome.exception()

    async def _write(
        self, requests: list[AppendRequest], answer: "asyncio.Future[PGresult] | None" = None
    ) -> list[AppendOutcome]:
        call = encode_call(requests)
        started = perf_counter()
        try:
            outcomes = decode_outcomes(requests, await self._execute(*call, answer))
        except OutcomeUnknown:
            outcomes = await self._write_again(requests, call)
        self._record(requests, started)
        return outcomes

    def _record(self, requests: list[AppendRequest], started: float) -> None:
        self._observe(len(requests), sum([len(request.events) for request in requests]), perf_counter() - started)

    async def _write_again(self, requests: list[AppendRequest], call: tuple[bytes, list[bytes]]) -> list[AppendOutcome]:
        """Send the batch once more on a new connection. Safe: the log is searched for the events, whose bytes include
        their ids, so a request that was committed by the first attempt gets the status OK."""
        try:
            outcomes = decode_outcomes(requests, await self._execute(*call))
            return [
                outcome if outcome.status is AppendStatus.OK else await self._find_committed(request) or outcome
                for request, outcome in zip(requests, outcomes, strict=True)
            ]
        except (Unavailable, psycopg.Error) as error:
            # Whatever the second attempt says, the first one may have been committed.
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
            # The server answered and rolled back (disk full, lock timeout).
            raise Unavailable(DATABASE) from error

    async def _find_committed(self, request: AppendRequest) -> AppendOutcome | None:
        """The status OK with the position, if the log holds this very request."""
        if not request.events:
            return None
        last = request.events[-1]
        pipeline = await self._session.connected()
        found = await pipeline.execute(FIND_EVENT, [last.stream_id.bytes, last.version.to_bytes(8, "big"), last.state])
        position = found.get_value(0, 0) if found.ntuples else None
        return None if position is None else AppendOutcome(AppendStatus.OK, int.from_bytes(position, "big"))


def batch_size(ready: int, in_flight: list[int]) -> int:
    """The number of ready requests to send now, given the sizes of the batches in flight.

    With many ready requests send half: while the server writes it, callers of the previous half get their answers and
    submit again. A second batch goes only if it is at least as large as the one in flight; there is never a third.
    """
    if not in_flight:
        return ready // 2 if ready >= MIN_REQUESTS_TO_HALVE else ready
    return ready if len(in_flight) == 1 and ready >= in_flight[0] else 0


def _set_outcome(pending: PendingRequest, outcome: AppendOutcome) -> None:
    if not pending.outcome.done():
        pending.outcome.set_result(outcome)
