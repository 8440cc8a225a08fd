"""A connection in pipeline mode that is opened when it is needed, and anew when it was lost; short queries by one."""

import asyncio
from collections.abc import Sequence

import psycopg
from psycopg.pq.abc import PGresult

from application.ports import Unavailable
from infra.postgres.connect import DATABASE, DEADLINE_SECONDS
from infra.postgres.pipeline import ConnectionLost, Pipeline, StatementTimedOut

CONNECT_SECONDS = 2
ATTEMPTS = 3

# Planning a short query anew each time takes as long as running it. A plan that is made once rests on what the tables
# hold then, perhaps next to nothing: what would read a small table whole is left out, so that it suits a large one.
READING = """
SET statement_timeout = '8s'; SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off
"""


class PipelineSession:
    """One connection at a time. `settings` are set in each, for instance `SET statement_timeout = '8s'`."""

    def __init__(self, url: str, settings: str) -> None:
        self._url = url
        self._settings = settings
        self._pipeline: Pipeline | None = None
        self._connecting: asyncio.Task[Pipeline] | None = None
        self._closed = False

    @property
    def pipeline(self) -> Pipeline | None:
        """The one that is open, if any."""
        return None if self._pipeline is None or self._pipeline.closed else self._pipeline

    async def connected(self) -> Pipeline:
        """One that is open. Whoever asks while one is being opened waits for that, and fails with it.

        Raises:
            Unavailable: the database cannot be reached, or the session is closed; nothing was sent.
        """
        if self._closed:
            raise Unavailable(DATABASE)
        if self.pipeline is not None:
            return self.pipeline
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._opened)
        return await asyncio.shield(self._connecting)

    def close(self) -> None:
        """Close the connection, for good. Whoever waits for an answer is told that there will be none."""
        self._closed = True
        if self._pipeline is not None:
            self._pipeline.close()

    def _opened(self, connecting: "asyncio.Task[Pipeline]") -> None:
        self._connecting = None
        if not connecting.cancelled() and connecting.exception() is None:
            self._pipeline = connecting.result()
            if self._closed:
                self._pipeline.close()

    async def _connect(self) -> Pipeline:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await psycopg.AsyncConnection.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=CONNECT_SECONDS,
                    keepalives_idle=10,
                    keepalives_interval=5,
                )
                try:
                    await connection.execute(self._settings.encode(), prepare=False)
                except BaseException:
                    await connection.close()
                    raise
        except (psycopg.Error, TimeoutError, OSError) as error:
            raise Unavailable(DATABASE) from error
        return Pipeline(connection, DEADLINE_SECONDS)


class ShortQueries:
    """Queries by index that run all the time. Parameters and results are in PostgreSQL's binary form.

    They are answered one after the other: what may take long is for a connection of its own.
    """

    def __init__(self, url: str) -> None:
        self._session = PipelineSession(url, READING)

    async def result(self, query: bytes, parameters: Sequence[bytes]) -> PGresult:
        """The query's result.

        Raises:
            Unavailable: the database does not answer, or does not in time, or has no such table yet.
        """
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await self._result(query, parameters)
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable, TimeoutError) as error:
            raise Unavailable(DATABASE) from error

    async def _result(self, query: bytes, parameters: Sequence[bytes]) -> PGresult:
        for _ in range(ATTEMPTS - 1):
            try:
                return await (await self._session.connected()).execute(query, parameters)
            except StatementTimedOut:
                raise
            except ConnectionLost:
                # That the server has been restarted is found out now, and the next connection is good.
                continue
        return await (await self._session.connected()).execute(query, parameters)

    def close(self) -> None:
        """Close the connection, for good."""
        self._session.close()
