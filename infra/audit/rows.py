"""Queries of the tree. A row of the log is read whatever it holds: a time that no calendar has reads as `NO_TIME`."""

from datetime import UTC, datetime
from typing import Any

from psycopg import DataError
from psycopg.abc import Buffer
from psycopg.types.datetime import TimestamptzBinaryLoader

from infra.postgres.connect import Connection

NO_TIME = datetime.min.replace(tzinfo=UTC)
"""Stands for infinity, and for times before the year 1 or after 9999: no leaf has it."""


class _TimeLoader(TimestamptzBinaryLoader):
    def load(self, data: Buffer) -> datetime:
        try:
            return super().load(data)
        except DataError:
            return NO_TIME


def query(connection: Connection, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connection.cursor(binary=True) as cursor:
        cursor.adapters.register_loader("timestamptz", _TimeLoader)
        return cursor.execute(statement.encode(), parameters).fetchall()
