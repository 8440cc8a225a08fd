"""One connection to PostgreSQL in libpq's pipeline mode: statements go out as they come, answers come back in order.

For the few statements that run all the time. A cursor of the driver spends more on each of them than the server does,
and takes one at a time. Each statement is a transaction of its own, so one that fails takes no other with it.
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
    """The connection broke: what was under way may have been done or not."""


class StatementTimedOut(ConnectionLost):
    """The connection was cut because the server took too long."""


@dataclass(slots=True)
class _PendingStatement:
    """A statement under way: who waits for it, and what has come back."""

    answer: "asyncio.Future[PGresult]"
    result: PGresult | None = None

    def take(self, result: PGresult) -> None:
        """Keep the statement's result. An error in preparing it comes first, and is what counts."""
        if self.result is None or self.result.status in SUCCEEDED:
            self.result = result

    def settle(self) -> bool:
        """Give the result, or raise what it says. Answers whether the statement succeeded."""
        assert self.result is not None
        succeeded = self.result.status in SUCCEEDED
        if self.answer.done():
            return succeeded
        if succeeded:
            self.answer.set_result(self.result)
        else:
            self.answer.set_exception(psycopg.errors.error_from_result(self.result))
        return succeeded

    def lose(self, error: Exception) -> None:
        """Nobody will answer."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Pipeline:
    """Statements with binary parameters and results; each takes at most `seconds` once those before it are done, or the
    connection is cut."""

    def __init__(self, connection: psycopg.AsyncConnection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._libpq: PGconn = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[_PendingStatement] = deque()
        self._prepared: dict[bytes, bytes] = {}
        self._preparing: dict[asyncio.Future[PGresult], tuple[bytes, bytes]] = {}
        self._numbers = count()
        self._watch: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._over = False
        self._socket = self._libpq.socket
        self._libpq.nonblocking = 1
        self._libpq.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._receive)

    @property
    def closed(self) -> bool:
        """Whether it is of no more use."""
        return self._over

    def close(self) -> None:
        """Close the connection. Whoever waits for an answer is told that there will be none."""
        self._lose("the connection was closed")

    def execute(self, statement: bytes, parameters: Sequence[bytes | None]) -> "asyncio.Future[PGresult]":
        """The statement's result, once it is here; it goes out at once. It is prepared the first time; parameters are
        `$1`, `$2` and so on.

        Raises (the future does):
            Lost: the connection broke.
            Late: it was cut because the server took too long.
            psycopg.Error: the server refused the statement, and nothing of it was done.
        """
        answer: asyncio.Future[PGresult] = self._loop.create_future()
        if self._over:
            answer.set_exception(ConnectionLost("the connection is closed"))
            return answer
        if not self._under_way:
            self._since = self._loop.time()
        self._under_way.append(_PendingStatement(answer))
        if self._watch is None:
            self._watch = self._loop.call_later(self._seconds, self._look)
        try:
            name = self._prepared.get(statement) or self._prepare(statement, answer)
            self._libpq.send_query_prepared(name, parameters, _formats(len(parameters)), BINARY)
            self._libpq.pipeline_sync()
            if self._libpq.flush():
                self._loop.add_writer(self._socket, self._flush)
        except Exception as error:
            # Whether the server has heard of it is not certain, and answers are told apart by their order alone.
            self._lose(type(error).__name__)
        return answer

    def _prepare(self, statement: bytes, answer: "asyncio.Future[PGresult]") -> bytes:
        name = b"s%d" % next(self._numbers)
        self._libpq.send_prepare(name, statement)
        self._preparing[answer] = statement, name
        return name

    def _look(self) -> None:
        """Cut the connection if the first statement under way is late; look again when it would be."""
        self._watch = None
        if self._under_way:
            left = self._since + self._seconds - self._loop.time()
            if left <= 0:
                self._lose("the server took too long", StatementTimedOut)
            else:
                self._watch = self._loop.call_later(left, self._look)

    def _flush(self) -> None:
        try:
            if not self._libpq.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.OperationalError as error:
            self._lose(str(error))

    def _receive(self) -> None:
        try:
            self._libpq.consume_input()
            while self._under_way and not self._libpq.is_busy():
                self._take(self._libpq.get_result())
        except psycopg.OperationalError as error:
            self._lose(str(error))
        else:
            if self._libpq.status == ConnStatus.BAD:
                self._lose("the server closed the connection")

    def _take(self, result: PGresult | None) -> None:
        if result is None:
            # The end of one statement's results.
            return
        if result.status == ExecStatus.PIPELINE_SYNC:
            self._settle(self._under_way.popleft())
        else:
            self._under_way[0].take(result)

    def _settle(self, sent: _PendingStatement) -> None:
        self._since = self._loop.time()
        succeeded = sent.settle()
        if self._preparing:
            statement, name = self._preparing.pop(sent.answer, (b"", b""))
            if name and succeeded:
                self._prepared[statement] = name

    def _lose(self, reason: str, kind: type[ConnectionLost] = ConnectionLost) -> None:
        if self._over:
            return
        self._over = True
        if self._watch is not None:
            self._watch.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._libpq.finish()
        while self._under_way:
            self._under_way.popleft().lose(kind(reason))


@cache
def _formats(number: int) -> list[int]:
    return [BINARY] * number
