"""The projector's connections to PostgreSQL, and what its errors mean."""

from typing import Any

import psycopg

from application.ports import Unavailable
from infra.postgres.arrays import register

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

STATEMENT_TIMEOUT = "60s"
IDLE_TIMEOUT = "10s"
_POISONOUS_CLASSES = ("22", "23", "54")


async def connect(url: str) -> Connection:
    """A connection with every statement prepared at once.

    Raises:
        Unavailable: the database does not answer.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True, prepare_threshold=0, connect_timeout=3, keepalives_idle=10, keepalives_interval=5
        )
    except (psycopg.Error, OSError, TimeoutError) as error:
        raise Unavailable("The database") from error
    try:
        await connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'", prepare=False)
    except BaseException as error:
        await connection.close()
        if isinstance(error, psycopg.Error):
            raise Unavailable("The database") from error
        raise
    register(connection.adapters)
    return connection


class ProjectorSession:
    """One connection that is opened anew whenever it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    async def get(self) -> Connection:
        """The connection, open. Raises `Unavailable`."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = await connect(self._url)
            # Whoever stands still amid a transaction must not hold up those who take over.
            await self._connection.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}'", prepare=False)
        return self._connection

    async def close(self) -> None:
        """Close it, whatever state it is in."""
        if self._connection is not None:
            await self._connection.close()


def is_poison(error: Exception) -> bool:
    """Whether the data are to blame, so that trying again cannot help.

    Not the connection, a deadline, a full disk or a missing table.
    """
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        return state[:2] in _POISONOUS_CLASSES or (not state and isinstance(error, psycopg.DataError))
    return not isinstance(error, OSError | TimeoutError | Unavailable)


def is_outage(error: Exception) -> bool:
    """Whether the database is not there, or has no room or time, for anybody."""
    return not is_poison(error) and isinstance(
        error, psycopg.OperationalError | psycopg.InterfaceError | OSError | TimeoutError | Unavailable
    )
