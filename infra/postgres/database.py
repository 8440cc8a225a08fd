"""Runs queries through a pool, within a deadline. A database that does not answer raises `Unavailable`."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import psycopg
from psycopg.rows import AsyncRowFactory, tuple_row
from psycopg_pool import PoolTimeout

from application.ports import Params, Unavailable
from infra.asyncio_compat import end_if_cancelled
from infra.postgres.connect import POOL_TIMEOUT_SECONDS, Pool

ResultRow = tuple[Any, ...]

DATABASE = "The database"
DEADLINE_SECONDS = 10.0
CONNECTION_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError)


class Database:
    """Runs prepared statements with binary results. A statement may run twice. The pool must be in autocommit mode."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rows(self, query: str, params: Params, *, seconds: float = DEADLINE_SECONDS) -> list[ResultRow]:
        """All rows of a query; an empty list for a statement without a result. `seconds`: its deadline.

        Raises:
            Unavailable: the pool had no connection in time, the connection broke, or the statement took too long.
        """
        return (await self.fetch(query, params, seconds=seconds))[1]

    async def fetch(
        self,
        query: str,
        params: Params,
        row_factory: AsyncRowFactory[Any] = tuple_row,
        *,
        seconds: float = DEADLINE_SECONDS,
    ) -> tuple[list[str], list[Any]]:
        """The names of the columns and the rows. Raises as `rows`."""
        # After a restart of the server every pooled connection is stale; each one fails once.
        for _ in range(self._pool.max_size):
            try:
                return await self._fetch(query, params, row_factory, seconds)
            except (PoolTimeout, TimeoutError) as error:
                raise Unavailable(DATABASE) from error
            except CONNECTION_ERRORS as error:
                if not _is_stale(error):
                    raise Unavailable(DATABASE) from error
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
                # After an update a table is created, or rebuilt with new columns, a while later.
                raise Unavailable("The read model") from error
        raise Unavailable(DATABASE)

    async def _fetch(
        self, query: str, params: Params, row_factory: AsyncRowFactory[Any], seconds: float
    ) -> tuple[list[str], list[Any]]:
        wait = min(seconds, POOL_TIMEOUT_SECONDS)
        async with self._pool.connection(wait) as connection, deadline(connection, seconds):
            end_if_cancelled()
            cursor = connection.cursor(binary=True, row_factory=row_factory)
            await cursor.execute(query.encode(), params, prepare=True)
            if cursor.description is None:
                return [], []
            return [column.name for column in cursor.description], await cursor.fetchall()


def _is_stale(error: psycopg.Error) -> bool:
    """Whether the connection is lost, not the statement refused."""
    return error.sqlstate is None or error.sqlstate.startswith("57P")


@contextlib.asynccontextmanager
async def deadline(connection: psycopg.AsyncConnection[Any], seconds: float = DEADLINE_SECONDS) -> AsyncIterator[None]:
    """Shut down the connection's socket after the deadline: a frozen server would not answer a cancellation either.

    Raises:
        TimeoutError: the deadline has passed.
    """
    cuts: list[bool] = []

    def cut() -> None:
        cuts.append(True)
        with socket.socket(fileno=os.dup(connection.pgconn.socket)) as raw, contextlib.suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)

    timer = asyncio.get_running_loop().call_later(seconds, cut)
    try:
        yield
    except CONNECTION_ERRORS as error:
        if cuts:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
