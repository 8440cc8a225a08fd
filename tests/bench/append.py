"""Appending: concurrent writers, each with a text of its own that it gives a new title, one event at a time.

Ours is the whole path of an append: the command on the aggregate, encoding and sealing, the group commit. The peers
do not seal anything.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import psycopg
from uuid_utils.compat import uuid7

from domain.content.document import Document
from infra.bootstrap.write_side import WriteSide
from tests.bench import ours, stock
from tests.bench.harness import TEXT, Bench, Row, against
from tests.support.servers import Database

UNIT = "events/s"
INSERT = """
INSERT INTO raw_events (originator_id, originator_version, topic, state, notification_id, recorded_at)
VALUES (%s, %s, %s, %s, %s, clock_timestamp())
"""


def rows(bench: Bench) -> Iterator[Row]:
    """16 and 64 writers against the library's `Application.save()` in threads, one writer against plain INSERTs."""
    with bench.database() as database, ours.opened(database) as own:
        for writers in (16, 64):
            yield from _many(bench, database, own, writers)
        yield _one(bench, database, own)


def _many(bench: Bench, database: Database, own: ours.Ours, writers: int) -> Iterator[Row]:
    seconds = bench.seconds(0.8)
    documents = own(ours.store_documents, writers, 1, TEXT)
    # More connections than this make the peer slower: its saves wait for each other's table lock.
    with (
        stock.opened(database, POSTGRES_POOL_SIZE="8") as plain,
        stock.opened(database, POSTGRES_POOL_SIZE="8", POSTGRES_ENABLE_DB_FUNCTIONS="y") as with_functions,
    ):
        pages = stock.store_pages(plain, writers, 1, TEXT)
        mine, theirs, functions = bench.in_turns(
            lambda: own(append, documents, seconds),
            lambda: save(plain, pages, seconds),
            lambda: save(with_functions, pages, seconds),
        )
    yield against(f"append, {writers} writers", UNIT, mine, theirs, reach=20)
    yield against(f"append, {writers} writers (peer with its database functions)", UNIT, mine, functions)


def _one(bench: Bench, database: Database, own: ours.Ours) -> Row:
    seconds = bench.seconds(0.8)
    documents = own(ours.store_documents, 1, 1, TEXT)
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE raw_events (LIKE stored_events INCLUDING ALL)")
        insert = Insert(connection)
        mine, raw = bench.in_turns(
            lambda: own(append, documents, seconds),
            lambda: insert.run(seconds),
        )
    return against("append, 1 writer (peer: INSERT and commit)", UNIT, mine, raw, reach=0.5)


async def append(core: WriteSide, documents: list[Document], seconds: float) -> float:
    """Events a second, one writer a document."""
    started = perf_counter()
    end = started + seconds

    async def write(document: Document) -> int:
        count = 0
        while perf_counter() < end:
            ours.retitle(document, f"{document.version:08}{TEXT}")
            await core.store.append([document], ours.CALL, None)
            count += 1
        return count

    return sum(await asyncio.gather(*map(write, documents))) / (perf_counter() - started)


def save(app: stock.Pages, pages: list[stock.Page], seconds: float) -> float:
    """Events a second, one thread a page."""
    started = perf_counter()
    end = started + seconds

    def write(page: stock.Page) -> int:
        count = 0
        while perf_counter() < end:
            page.retitle(f"{page.version:08}{TEXT}")
            app.save(page)
            count += 1
        return count

    with ThreadPoolExecutor(len(pages)) as threads:
        return sum(threads.map(write, pages)) / (perf_counter() - started)


class Insert:
    """What the database does at best for one client: a prepared INSERT of one ready row, and its commit."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._position = 0

    def run(self, seconds: float) -> float:
        """Rows a second."""
        started, first = perf_counter(), self._position
        stream, state = uuid7(), TEXT.encode() + bytes(180)
        while perf_counter() < started + seconds:
            self._position += 1
            values = [stream, self._position, "page.retitled", state, self._position]
            self._connection.execute(INSERT, values, prepare=True)
        return (self._position - first) / (perf_counter() - started)
