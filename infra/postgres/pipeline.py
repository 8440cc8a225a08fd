"""A connection in libpq's pipeline mode: statements are sent at once, answers come back in the same order.

For the few statements that run all the time: a cursor of psycopg spends more time on each than the server does, and
runs one at a time. Each statement is its own transaction, so a failed one does not affect the others.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count

import psycopg
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

BINARY = 1
SUCCEEDED = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class ConnectionLost(psycopg.OperationalError):
    """The connection broke: statements in flight may have been executed or not."""


class StatementTimedOut(ConnectionLost):
    """The connection was closed because the server took too long."""


@dataclass(slots=True)
class _PendingStatement:
    """A statement in flight: the future of its caller, and the result so far."""

    answer: "asyncio.Future[PGresult]"
    result: PGresult | None = None

    def receive(self, result: PGresult) -> None:
        """Keep the result of the statement. An error of the prepare step comes before it and is kept instead."""
        if self.result is None or self.result.status in SUCCEEDED:
            self.result = result

    def resolve(self) -> bool:
        """Set the result or the error of the future. Returns whether the statement succeeded."""
        assert self.result is not None
        succeeded = self.result.status in SUCCEEDED
        if self.answer.done():
            return succeeded
        if succeeded:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(psycopg.errors.error_from_result(self.result))
        return succeeded

    def fail(self, error: Exception) -> None:
        """Set an error that is not the server's answer."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Pipeline:
    """Executes statements with binary parameters and results.

    Each statement has `seconds`, counted from the end of the one before it; after that the connection is closed.
    """

    def __init__(self, connection: psycopg.AsyncConnection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._libpq: PGconn = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._in_flight: deque[_PendingStatement] = deque()
        self._prepared: dict[bytes, bytes] = {}
        self._preparing: dict[asyncio.Future[PGresult], tuple[bytes, bytes]] = {}
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._started = 0.0
        self._closed = False
        self._socket = self._libpq.socket
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._receive)

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self._closed

    def close(self) -> None:
        """Close the connection. Statements in flight fail with `ConnectionLost`."""
        self._close("the connection was closed")

    def execute(self, statement: bytes, parameters: Sequence[bytes | None]) -> "asyncio.Future[PGresult]":
        """Send the statement at once and return the future of its result. Parameters are `$1`, `$2` and so on.

        The statement is prepared at its first use.

        Raises (the future does):
            ConnectionLost: the connection broke.
            StatementTimedOut: the connection was closed because the server took too long.
            psycopg.Error: the server refused the statement and executed nothing of it.
        """
        answer: asyncio.Future[PGresult] = self._loop.create_future()
        if self._closed:
            answer.set_exception(ConnectionLost("the connection is closed"))
            return answer
        if not self._in_flight:
            self._started = self._loop.time()
        self._in_flight.append(_PendingStatement(answer))
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._check_deadline)
        try:
            name = self._prepared.get(statement) or self._prepare(statement, answer)
            self._libpq.send_query_prepared(name, parameters, _formats(len(parameters)), BINARY)
            self._libpq.pipeline_sync()
            if self._libpq.flush():
                self._loop.add_writer(self._socket, self._flush)
        except Exception as error:
            # The server may have received it or not, and answers are matched by their order alone: give up all.
            self._close(type(error).__name__)
        return answer

    def _prepare(self, statement: bytes, answer: "asyncio.Future[PGresult]") -> bytes:
        name = b"s%d" % next(self._numbers)
        self._libpq.send_prepare(name, statement)
        self._preparing[answer] = statement, name
        return name

    def _check_deadline(self) -> None:
        """Close the connection if the first statement in flight is late; else check again when it would be."""
        self._timer = None
        if self._in_flight:
            left = self._started + self._seconds - self._loop.time()
            if left <= 0:
                self._close("the server took too long", StatementTimedOut)
            else:
                self._timer = self._loop.call_later(left, self._check_deadline)

    def _flush(self) -> None:
        try:
            if not self._libpq.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.OperationalError as error:
            self._close(str(error))

    def _receive(self) -> None:
        try:
            self._libpq.consume_input()
            while self._in_flight and not self._libpq.is_busy():
                self._receive_result(self._libpq.get_result())
        except psycopg.OperationalError as error:
            self._close(str(error))
        else:
            if self._libpq.status == ConnStatus.BAD:
                self._close("the server closed the connection")

    def _receive_result(self, result: PGresult | None) -> None:
        if result is None:
            # The end of the results of one statement.
            return
        if result.status == ExecStatus.PIPELINE_SYNC:
            self._resolve(self._in_flight.popleft())
        else:
            self._in_flight[0].receive(result)

    def _resolve(self, pending: _PendingStatement) -> None:
        self._started = self._loop.time()
        succeeded = pending.resolve()
        if self._preparing:
            statement, name = self._preparing.pop(pending.answer, (b"", b""))
            if name and succeeded:
                self._prepared[statement] = name

    def _close(self, reason: str, kind: type[ConnectionLost] = ConnectionLost) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._libpq.finish()
        while self._in_flight:
            self._in_flight.popleft().fail(kind(reason))


@cache
def _formats(number: int) -> list[int]:
    return [BINARY] * number
