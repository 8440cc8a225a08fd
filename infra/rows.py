"""Read models from PostgreSQL. Gets by key that are in flight at once share one round trip."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from psycopg_pool import PoolTimeout

from application.ports import Params, Rows, T, Unavailable
from infra.coalesce import Coalescer
from infra.store.store import Pool

Columns = list[str]
Record = tuple[Any, ...]


class PooledRows:
    """Implements `application.ports.Rows`. Connections of the pool are in autocommit mode."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._by_query: dict[str, Coalescer[UUID, Any]] = {}

    def after(self, position: int) -> Rows:
        """These rows: there is no cache here."""
        return self

    async def all(self, kind: type[T], query: str, params: Params) -> list[T]:
        """All rows of the query. Raises `Unavailable`."""
        async with self._connection() as connection:
            cursor = connection.cursor(binary=True, row_factory=class_row(kind))
            await cursor.execute(query.encode(), params, prepare=True)
            return await cursor.fetchall()

    async def one(self, kind: type[T], query: str, params: Params) -> T | None:
        """The first row of the query; None: there is none. Raises `Unavailable`."""
        rows = await self.all(kind, query, params)
        return rows[0] if rows else None

    async def by_key(self, kind: type[T], query: str, key: UUID) -> T | None:
        """The row of a key. Raises `Unavailable`."""
        coalescer = self._by_query.get(query)
        if coalescer is None:
            coalescer = self._by_query[query] = Coalescer(lambda keys: self._found(kind, query, keys))
        found: T | None = await coalescer.get(key)
        return found

    async def records(self, query: str, params: Params) -> tuple[Columns, list[Record]]:
        """The names of the query's columns, and its rows as they come. Raises `Unavailable`."""
        async with self._connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(query.encode(), params, prepare=True)
            return [column.name for column in cursor.description or ()], await cursor.fetchall()

    async def _found(self, kind: type[T], query: str, keys: list[UUID]) -> dict[UUID, T]:
        columns, records = await self.records(query, [keys])
        return {record[0]: kind(**dict(zip(columns, record, strict=True))) for record in records}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, TimeoutError) as error:
            raise Unavailable("The database") from error
