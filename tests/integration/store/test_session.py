"""Short queries through one connection: whoever cannot be answered is told so in time, and a restart is not noticed."""

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

WHO = b"SELECT pg_backend_pid()"
SLEEP = b"SELECT pg_sleep(0.5)"
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
NOBODY = UUID(int=1)


@asynccontextmanager
async def silence() -> AsyncIterator[str]:
    """The address of a server that lets everybody in and never says a word."""
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


async def test_all_who_wait_for_a_database_that_is_not_there_are_refused_together() -> None:
    async with silence() as url:
        with closing(StreamReader(url)) as reading:
            loop = asyncio.get_running_loop()
            started = loop.time()
            everybody = [reading.stream(uuid4()) for _ in range(3)] + [
                anext(reading.history(uuid4())) for _ in range(5)
            ]
            refused = await asyncio.gather(*everybody, return_exceptions=True)
    assert [type(error) for error in refused] == [Unavailable] * 8
    # What was read ahead is given up, and begins one more attempt at most.
    assert loop.time() - started < 2 * CONNECT_TIMEOUT_SECONDS + 1


async def test_a_history_that_fails_leaves_nothing_behind() -> None:
    loop = asyncio.get_running_loop()
    said: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, about: said.append(about))
    async with silence() as url:
        with closing(StreamReader(url)) as reading, pytest.raises(Unavailable):
            async for _ in reading.history(NOBODY, 2 * PAGE_EVENTS):
                pass
        assert not [task for task in asyncio.all_tasks() if "_page" in repr(task)]
    # What nobody has asked for tells of itself when it is thrown away.
    await asyncio.sleep(0.05)
    gc.collect()
    assert said == []


async def test_a_query_is_asked_again_where_the_connection_was_lost(database: Database) -> None:
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
    for _ in range(100):
        if not rows(database.admin_url, SESSIONS):
            break
        await asyncio.sleep(0.05)
    assert rows(database.admin_url, SESSIONS) == []


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
            await opened.store._reader.stream(NOBODY)
