"""Streams are read by index, even if the tables were small when the plan was made, and page by page."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from psycopg.pq.abc import PGresult

from domain.content.document import Document
from infra.postgres.connect import connect
from infra.postgres.session import SHORT_QUERY_SETTINGS, ShortQueries
from infra.store import stream_reader
from infra.store.stream_reader import LOAD_ANSWERS, LOAD_PAGE, LOAD_SNAPSHOT, LOAD_STREAMS
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stores import CALL, open_store

WHOLE = ("Seq Scan", "Hash Join", "Merge Join", "Materialize", "Index Full")


def note(lines: int) -> Note:
    written = Note.write(uuid4(), "first")
    for n in range(1, lines):
        written.extend(f"{n}")
    return written


@pytest.mark.parametrize(
    "query", [LOAD_STREAMS, LOAD_SNAPSHOT, LOAD_PAGE, LOAD_ANSWERS], ids=["streams", "snapshot", "page", "answers"]
)
async def test_a_plan_that_was_made_for_a_small_store_suits_a_large_one(database: Database, query: bytes) -> None:
    async with open_store(database.app_url) as opened:
        await opened.store.append([note(3)], CALL, None)
    with connect(database.admin_url, autocommit=True, settings=SHORT_QUERY_SETTINGS) as connection:
        connection.execute("VACUUM ANALYZE stored_events, snapshots, idempotency")
        lines = connection.execute(b"EXPLAIN (GENERIC_PLAN) " + query).fetchall()
    plan = "\n".join(line for (line,) in lines)
    assert not [words for words in WHOLE if words in plan], plan
    # Every index scan has a condition: no index is read as a whole.
    scans = [n for n, (line,) in enumerate(lines) if "Index" in line and "Scan" in line]
    assert scans
    assert all("Index Cond" in lines[n + 1][0] for n in scans), plan


@pytest.mark.parametrize("version", [1, 2, 3, 4, 6, 7])
async def test_a_history_is_read_page_by_page(
    database: Database, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setattr(stream_reader, "PAGE_EVENTS", 2)
    written = note(7)
    async with open_store(database.app_url) as opened:
        await opened.store.append([written], CALL, None)
        pages = [page async for page in opened.store._reader.history(written.id, version)]
        assert [number for page in pages for number, *_ in page] == list(range(1, version + 1))
        loaded = await opened.store.load(Note, written.id, version=version)
    assert loaded is not None
    assert loaded.lines == written.lines[:version]


async def test_a_history_ends_where_the_stream_does(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_reader, "PAGE_EVENTS", 2)
    written = note(4)
    async with open_store(database.app_url) as opened:
        await opened.store.append([written], CALL, None)
        assert [len(page) async for page in opened.store._reader.history(written.id)] == [2, 2]
        assert [page async for page in opened.store._reader.history(UUID(int=1))] == []
        assert await opened.store.load(Note, written.id, version=999_999_999) is None


async def test_a_long_history_of_another_kind_is_none_of_this_kind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_reader, "PAGE_EVENTS", 2)
    written = note(7)
    async with open_store(database.app_url) as opened:
        await opened.store.append([written], CALL, None)
        assert await opened.store.load(Document, written.id, version=7) is None
        assert await opened.store.load(Document, written.id) is None


class Held:
    """A connection whose queries wait for `may_go_on`."""

    def __init__(self, queries: ShortQueries) -> None:
        self.queries = queries
        self.asked = asyncio.Event()
        self.may_go_on = asyncio.Event()

    async def result(self, query: bytes, parameters: Sequence[bytes]) -> PGresult:
        """Wait, then query."""
        self.asked.set()
        await self.may_go_on.wait()
        return await self.queries.result(query, parameters)

    def close(self) -> None:
        """Close the connection."""
        self.queries.close()


@pytest.mark.parametrize("bound", ["SHARED_EVENTS", "SHARED_BYTES"])
async def test_h3_the_load_of_a_large_stream_holds_up_no_load_of_a_small_one(
    database: Database, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(stream_reader, bound, {"SHARED_EVENTS": 5, "SHARED_BYTES": 1_500}[bound])
    large, small = note(20), note(2)
    async with open_store(database.app_url) as opened, asyncio.timeout(30):
        await opened.store.append([large], CALL, None)
        await opened.store.append([small], CALL, None)
        reader = opened.store._reader
        held = Held(reader._histories)
        monkeypatch.setattr(reader, "_histories", held)
        # Both loads share the first query.
        loading = asyncio.create_task(opened.store.load(Note, large.id))
        assert await opened.store.load(Note, small.id) == small
        await held.asked.wait()
        assert await opened.store.load(Note, small.id) == small
        assert not loading.done()
        held.may_go_on.set()
        assert await loading == large
