"""A connection in pipeline mode that is opened when it is needed, and anew when it was lost; and reads through one."""

import asyncio
from collections.abc import Sequence
from time import monotonic

import psycopg
from psycopg.pq.abc import PGresult

from application.ports import Unavailable
from infra.database import DATABASE, DEADLINE_SECONDS
from infra.pipeline import Lost, Pipeline

CONNECT_SECONDS = 2

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
        self._connecting = asyncio.Lock()
        self._pipeline: Pipeline | None = None

    @property
    def pipeline(self) -> Pipeline | None:
        """The one that is open, if any."""
        return None if self._pipeline is None or self._pipeline.closed else self._pipeline

    async def connected(self) -> Pipeline:
        """One that is open.

        Raises:
            Unavailable: the database cannot be reached; nothing was sent.
        """
        async with self._connecting:
            if self._pipeline is None or self._pipeline.closed:
                self._pipeline = await self._connect()
            return self._pipeline

    def close(self) -> None:
        """Close the connection. Whoever waits for an answer is told that there will be none."""
        if self._pipeline is not None:
            self._pipeline.close()

    async def _connect(self) -> Pipeline:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=CONNECT_SECONDS
                )
                await connection.execute(self._settings.encode(), prepare=False)
        except (psycopg.Error, TimeoutError, OSError) as error:
            raise Unavailable(DATABASE) from error
        return Pipeline(connection, DEADLINE_SECONDS)


class Reads:
    """Short queries by index that run all the time. Parameters and results are in PostgreSQL's binary form."""

    def __init__(self, url: str) -> None:
        self._session = PipelineSession(url, READING)

    async def result(self, query: bytes, parameters: Sequence[bytes]) -> PGresult:
        """The query's result.

        Raises:
            Unavailable: the database does not answer, or does not in time.
        """
        started = monotonic()
        while True:
            pipeline = self._session.pipeline or await self._session.connected()
            try:
                return await pipeline.execute(query, parameters)
            except Lost as error:
                # That the server has been restarted is found out now, and the next connection is good. One that has
                # let us wait until we cut the connection is not asked again.
                if monotonic() - started > CONNECT_SECONDS:
                    raise Unavailable(DATABASE) from error
            except psycopg.OperationalError as error:
                raise Unavailable(DATABASE) from error

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
