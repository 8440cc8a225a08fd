"""Short queries through one connection: they fail within a deadline, and survive a restart of the server."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.ports import Unavailable
from infra.postgres.connect import CONNECT_TIMEOUT_SECONDS
from infra.postgres.session import ShortQueries
from infra.store.stream_reader import PAGE_EVENTS, StreamReader
from tests.support.servers import Database
from tests.support.stores import open_store, rows
from tests.support.waiting import until

WHO = b"SELECT pg_backend_pid()"
SLEEP = b"SELECT pg_sleep(0.5)"
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
UNKNOWN = UUID(int=1)


@asynccontextmanager
async def silence() -> AsyncIterator[str]:
    """The address of a server that accepts connections and never sends a byte."""
    held = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield f"postgresql://nobody@127.0.0.1:{port}/nothing?sslmode=disable&gssencmode=disable"
    for writer in held:
        writer.close()
    server.close()


async def pid(queries: ShortQueries) -> int:
    return int.from_bytes((await queries.result(WHO, [])).get_value(0, 0) or b"", "big")


async def test_concurrent_queries_fail_together_when_the_database_does_not_answer() -> None:
    async with silence() as url:
        with closing(StreamReader(url)) as reading:
            loop = asyncio.get_running_loop()
            started = loop.time()
            queries = [reading.stream(uuid4()) for _ in range(3)] + [anext(reading.history(uuid4())) for _ in range(5)]
            refused = await asyncio.gather(*queries, return_exceptions=True)
    assert [type(error) for error in refused] == [Unavailable] * 8
    # A page that was read ahead is cancelled; it begins one more attempt at most.
    assert loop.time() - started < 2 * CONNECT_TIMEOUT_SECONDS + 1


async def test_a_history_that_fails_leaves_nothing_behind() -> None:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, about: reported.append(about))
    async with silence() as url:
        with closing(StreamReader(url)) as reading, pytest.raises(Unavailable):
            async for _ in reading.history(UNKNOWN, 2 * PAGE_EVENTS):
                pass
        assert not [task for task in asyncio.all_tasks() if "_page" in repr(task)]
    # An exception that is never retrieved is reported when its task is collected.
    await asyncio.sleep(0.05)
    gc.collect()
    assert reported == []


async def test_a_query_is_sent_again_after_its_connection_was_lost(database: Database) -> None:
    with closing(ShortQueries(database.app_url)) as queries:
        first = await pid(queries)
        waiting = asyncio.create_task(queries.result(SLEEP, []))
        await asyncio.sleep(0.1)
        rows(database.admin_url, f"SELECT pg_terminate_backend({first})")
        await waiting
        assert await pid(queries) != first


async def test_once_closed_it_opens_no_connection(database: Database) -> None:
    queries = ShortQueries(database.app_url)
    await pid(queries)
    waiting = asyncio.create_task(queries.result(SLEEP, []))
    await asyncio.sleep(0.1)
    queries.close()
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await queries.result(WHO, [])
    await until(lambda: rows(database.admin_url, SESSIONS) == [])


async def test_one_closed_while_it_connects_keeps_no_connection(database: Database) -> None:
    queries = ShortQueries(database.app_url)
    waiting = asyncio.create_task(queries.result(WHO, []))
    await asyncio.sleep(0)
    queries.close()
    with pytest.raises(Unavailable):
        await waiting
    await asyncio.sleep(0.2)
    assert rows(database.admin_url, SESSIONS) == []


async def test_a_store_without_tables_is_not_available_yet(database: Database) -> None:
    rows(database.admin_url, "ALTER TABLE snapshots RENAME TO elsewhere")
    async with open_store(database.app_url) as opened:
        with pytest.raises(Unavailable):
            await opened.store._reader.stream(UNKNOWN)
