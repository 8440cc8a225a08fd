"""The connections of the projector, and the meaning of their errors."""

import psycopg

from application.ports import Unavailable
from infra.postgres.arrays import register
from infra.postgres.connect import AsyncConnection, connect_async
from infra.postgres.database import DATABASE

Connection = AsyncConnection

STATEMENT_TIMEOUT = "60s"
IDLE_TIMEOUT = "10s"
_DATA_ERROR_CLASSES = ("22", "23", "54")


async def connect(url: str, **settings: str) -> Connection:
    """A connection that prepares every statement at its first use. `settings` are further server settings.

    Raises:
        Unavailable: the database does not answer.
    """
    try:
        connection = await connect_async(
            url, prepare_threshold=0, settings={"statement_timeout": STATEMENT_TIMEOUT, **settings}
        )
    except (psycopg.Error, OSError, TimeoutError) as error:
        raise Unavailable(DATABASE) from error
    register(connection.adapters)
    return connection


class ProjectorSession:
    """Holds at most one connection, and opens it again after a loss."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    async def get(self) -> Connection:
        """The open connection. Raises `Unavailable`."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            # A process that hangs inside a transaction must not block the process that takes over.
            self._connection = await connect(self._url, idle_in_transaction_session_timeout=IDLE_TIMEOUT)
        return self._connection

    async def close(self) -> None:
        """Close the connection, in whatever state it is."""
        if self._connection is not None:
            await self._connection.close()


def is_poison(error: Exception) -> bool:
    """Whether the data cause the error, so that a retry cannot help.

    False for errors of the connection, a timeout, a full disk or a missing table.
    """
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        return state[:2] in _DATA_ERROR_CLASSES or (not state and isinstance(error, psycopg.DataError))
    return not isinstance(error, OSError | TimeoutError | Unavailable)


def is_outage(error: Exception) -> bool:
    """Whether the database is unavailable to all: it does not answer, or its disk or time has run out."""
    return not is_poison(error) and isinstance(
        error, psycopg.OperationalError | psycopg.InterfaceError | OSError | TimeoutError | Unavailable
    )
