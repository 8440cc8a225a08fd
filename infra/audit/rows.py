"""Queries of the tree. A row of the log is read whatever it holds: a time that no calendar has reads as `NO_TIME`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from infra.postgres.connect import Connection

NO_TIME = datetime.min.replace(tzinfo=UTC)
"""Stands for infinity, and for times before the year 1 or after 9999: no leaf has it."""

_EPOCH_OF_POSTGRES = datetime(2000, 1, 1, tzinfo=UTC)


class TimeLoader(Loader):
    """Reads a `timestamptz` as the server sends it: microseconds since 2000."""

    format = Format.BINARY

    def load(self, data: Buffer) -> datetime:
        try:
            return _EPOCH_OF_POSTGRES + timedelta(microseconds=int.from_bytes(data, "big", signed=True))
        except OverflowError:
            return NO_TIME


def query(connection: Connection, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connection.cursor(binary=True) as cursor:
        cursor.adapters.register_loader("timestamptz", TimeLoader)
        return cursor.execute(statement.encode(), parameters).fetchall()
