"""A connection in pipeline mode that is opened on first use and again after a loss; short queries through it."""

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg.pq.abc import PGresult

from application.ports import Unavailable
from infra.postgres.connect import CONNECT_TIMEOUT_SECONDS, Settings, connect_async
from infra.postgres.database import DATABASE, DEADLINE_SECONDS
from infra.postgres.pipeline import ConnectionLost, Pipeline, StatementTimedOut

MAX_ATTEMPTS = 3

# Planning a short query takes as long as running it, so it is planned once. Tables may be nearly empty then: plans that
# read a whole table are disabled, so that the plan suits a large table too.
SHORT_QUERY_SETTINGS = {
    "statement_timeout": "8s",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
}


class PipelineSession:
    """Holds at most one connection. `settings` are the server settings of each."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._settings = settings
        self._pipeline: Pipeline | None = None
        self._connecting: asyncio.Task[Pipeline] | None = None
        self._closed = False

    @property
    def pipeline(self) -> Pipeline | None:
        """The open connection, if there is one."""
        return None if self._pipeline is None or self._pipeline.closed else self._pipeline

    async def connected(self) -> Pipeline:
        """The open connection. Concurrent callers wait for the same attempt to connect, and fail with it.

        Raises:
            Unavailable: the database cannot be reached, or the session is closed; nothing was sent.
        """
        if self._closed:
            raise Unavailable(DATABASE)
        if self.pipeline is not None:
            return self.pipeline
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._on_connected)
        return await asyncio.shield(self._connecting)

    def close(self) -> None:
        """Close the connection, for good. Statements in flight fail with `ConnectionLost`."""
        self._closed = True
        if self._pipeline is not None:
            self._pipeline.close()

    def _on_connected(self, connecting: "asyncio.Task[Pipeline]") -> None:
        self._connecting = None
        if not connecting.cancelled() and connecting.exception() is None:
            self._pipeline = connecting.result()
            if self._closed:
                self._pipeline.close()

    async def _connect(self) -> Pipeline:
        try:
            # psycopg's timeout is for each address of the host; this one is for all of them.
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                connection = await connect_async(self._url, settings=self._settings)
        except (psycopg.Error, TimeoutError, OSError) as error:
            raise Unavailable(DATABASE) from error
        return Pipeline(connection, DEADLINE_SECONDS)


class ShortQueries:
    """Frequent queries by index. Parameters and results are in PostgreSQL's binary form.

    Answers come in the order of the queries: a query that may take long needs another connection.
    """

    def __init__(self, url: str) -> None:
        self._session = PipelineSession(url, SHORT_QUERY_SETTINGS)

    async def result(self, query: bytes, parameters: Sequence[bytes]) -> PGresult:
        """The query's result.

        Raises:
            Unavailable: the database does not answer in time, or a table does not exist yet.
        """
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await self._result(query, parameters)
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable, TimeoutError) as error:
            raise Unavailable(DATABASE) from error

    async def _result(self, query: bytes, parameters: Sequence[bytes]) -> PGresult:
        for _ in range(MAX_ATTEMPTS - 1):
            try:
                return await (await self._session.connected()).execute(query, parameters)
            except StatementTimedOut:
                raise
            except ConnectionLost:
                # The server has restarted and this connection was stale: try a new one.
                continue
        return await (await self._session.connected()).execute(query, parameters)

    def close(self) -> None:
        """Close the connection. It cannot be used afterwards."""
        self._session.close()
