"""Reads read models from PostgreSQL. Concurrent gets by key share one round trip."""

from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from application.ports import Params, ReadStore, T
from infra.coalesce import Coalescer
from infra.postgres.database import Database, Row

Columns = list[str]


class PooledReadStore:
    """Implements `application.ports.ReadStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._by_query: dict[str, Coalescer[UUID, Any]] = {}

    def after(self, position: int) -> ReadStore:
        """This store: it has no cache, so its rows are always the newest."""
        return self

    async def all(self, kind: type[T], query: str, params: Params) -> list[T]:
        """All rows of the query. Raises `Unavailable`."""
        return (await self._database.fetch(query, params, class_row(kind)))[1]

    async def one(self, kind: type[T], query: str, params: Params) -> T | None:
        """The first row of the query, or None. Raises `Unavailable`."""
        rows = await self.all(kind, query, params)
        return rows[0] if rows else None

    async def by_key(self, kind: type[T], query: str, key: UUID) -> T | None:
        """The row of a key, or None. The first column is the key, filtered by `= ANY(%s)`. Raises `Unavailable`."""
        coalescer = self._by_query.get(query)
        if coalescer is None:
            coalescer = self._by_query[query] = Coalescer(lambda keys: self._fetch(kind, query, keys))
        found: T | None = await coalescer.get(key)
        return found

    async def records(self, query: str, params: Params) -> tuple[Columns, list[Row]]:
        """The names of the columns of the query, and its rows. Raises `Unavailable`."""
        return await self._database.fetch(query, params)

    async def _fetch(self, kind: type[T], query: str, keys: list[UUID]) -> dict[UUID, T]:
        columns, records = await self.records(query, [keys])
        return {record[0]: kind(**dict(zip(columns, record, strict=True))) for record in records}
