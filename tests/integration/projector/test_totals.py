"""Rows that several streams change are the same live, caught up and rebuilt, by one process or by several."""

import asyncio
import random
from collections import Counter

import pytest

from infra.postgres.projector_connection import Connection, connect
from infra.progress import Progress
from infra.projector.quarantine import retry
from infra.projector.rebuild.bulk_load import BulkLoader, connect_to_load, table_oid
from infra.projector.rebuild.load_workers import LoadWorkers, split_slots
from infra.projector.rebuild.rebuild import rebuild
from infra.projector.table_writer import TableWriter
from tests.support.note import Note
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, append, dump, news, projecting, quarantine_of
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store, rows
from tests.support.totals import TOTALS, LineTotals, expected, totals_in

WORDS = ["a", "bb", 'c"\\', "dddd", "é"]


def crowd(number: int, lines: int) -> tuple[list[Note], Counter[str]]:
    """Notes with lines that many of them have, all pending, and how often each line is there."""
    dice = random.Random(number)
    chosen = {n: dice.choices(WORDS, k=dice.randint(0, lines)) for n in range(1, number + 1)}
    return [note(n, *words) for n, words in chosen.items()], Counter(
        word for words in chosen.values() for word in words
    )


class Loaders(LoadWorkers):
    """Load workers that are tasks of this process, each with a connection of its own."""

    def __init__(self, opened: Opened, number: int) -> None:
        super().__init__(opened.feed(), number=number)
        self._opened = opened

    def worthwhile(self, events: int) -> bool:
        return True

    async def load(
        self, writer: TableWriter, connection: Connection, skipped: frozenset[int], goal: int, progress: Progress
    ) -> None:
        table = await table_oid(connection, writer)

        async def work(slots: range) -> None:
            async with await connect_to_load(self._opened.url) as own:
                shard = self._opened.feed().shard(slots, goal)
                await BulkLoader(writer, shard, own, skipped, table, max_bytes=20_000).run(0, goal)

        await asyncio.gather(*map(work, split_slots(goal, self._number)))


async def test_live_caught_up_and_rebuilt_totals_are_the_same_to_the_byte(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.projector.rebuild.bulk_load.BATCH", 50)
    monkeypatch.setattr("infra.projector.rebuild.load_workers.HEAD_START_EVENTS", 0)
    notes, lines = crowd(60, 30)
    url = database.app_url
    async with open_store(url) as opened:
        feed = opened.feed()
        async with projecting([LineTotals()], feed, url) as running:
            for one in notes[:30]:
                await opened.store.append([one], CALL, None)
            await running.reached()
        await append(opened, [[one] for one in notes[30:]])
        async with projecting([LineTotals()], feed, url) as running:
            await running.reached()
        live = dump(url, "line_totals")
        assert totals_in(url) == expected(lines, 60)
        for workers in (None, Loaders(opened, 1), Loaders(opened, 2)):
            done = await rebuild(LineTotals(), feed, url, workers=workers)
            assert (done.differing, done.quarantined) == (0, 0)
            assert dump(url, "line_totals") == live


async def test_a_load_that_is_flushed_many_times_adds_to_what_is_stored(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.projector.rebuild.bulk_load.BATCH", 20)
    monkeypatch.setattr(BulkLoader.__init__, "__defaults__", (frozenset(), None, 5_000))
    notes, lines = crowd(40, 20)
    url, feed = database.app_url, MemoryFeed(news(*notes))
    async with projecting([LineTotals()], feed, url) as running:
        await running.reached()
    live = dump(url, "line_totals")
    assert (await rebuild(LineTotals(), feed, url)).differing == 0
    assert dump(url, "line_totals") == live
    assert totals_in(url) == expected(lines, 40)


@pytest.mark.parametrize("failing", ["!raise", "nul: \0"])
async def test_a_released_stream_is_added_once(database: Database, failing: str) -> None:
    broken, sound = note(1, "a", failing, "a", "b"), note(2, "a", "b")
    url, feed = database.app_url, MemoryFeed(news(broken, sound))
    async with projecting([LineTotals()], feed, url) as running:
        await running.reached()
        assert totals_in(url) == expected({"a": 2, "b": 1}, 2)
        [case] = await quarantine_of(url)
        assert case.stream_id == broken.id
        assert (await rebuild(LineTotals(), feed, url)).differing == 0
        assert await retry(LineTotals(), broken.id, feed, url) is not None
        assert totals_in(url) == expected({"a": 2, "b": 1}, 2)
        assert await retry(LineTotals(), broken.id, feed, url, skip=True) is None
        assert totals_in(url) == expected({"a": 3, "b": 2}, 2)
        feed.add(news(note(3, "b")))
        await running.reached()
    assert totals_in(url) == expected({"a": 3, "b": 3}, 3)
    live = dump(url, "line_totals")
    assert (await rebuild(LineTotals(), feed, url)).differing == 0
    assert dump(url, "line_totals") == live


async def test_workers_that_add_to_the_same_rows_at_once_lose_nothing(database: Database) -> None:
    url = database.app_url
    async with projecting([LineTotals()], MemoryFeed(), url):
        pass
    histories = [news(*(note(n, *["a", "b"] * 20) for n in range(first, first + 20))) for first in (1, 101, 201, 301)]

    async def work(events: list[object]) -> None:
        writer = TableWriter(LineTotals())
        async with await connect(url) as connection:
            for start in range(0, len(events), 37):
                async with connection.transaction():
                    assert not await writer.apply(connection, events[start : start + 37])  # type: ignore[arg-type]

    await asyncio.gather(*(work(list(events)) for events in histories))
    assert totals_in(url) == expected({"a": 1_600, "b": 1_600}, 80)


async def test_a_sum_that_overflows_stops_the_stream_that_makes_it_overflow(database: Database) -> None:
    url, feed = database.app_url, MemoryFeed(news(note(1, "a"), note(2, "a")))
    async with projecting([LineTotals()], feed, url) as running:
        await running.reached()
        rows(database.admin_url, "UPDATE read.line_totals SET lines = 9223372036854775807 WHERE line = 'a'")
        feed.add(news(note(1, "a", "b"))[1:])
        feed.add(news(note(3, "c")))
        await running.reached()
    [case] = await quarantine_of(url)
    assert (case.stream_id.int, case.error) == (1, "NumericValueOutOfRange")
    assert rows(url, "SELECT sum(lines)::bigint FROM read.line_totals WHERE line = 'c'") == [(1,)]


async def test_a_condition_on_the_key_is_applied_before_the_sum(database: Database) -> None:
    async with projecting([LineTotals()], MemoryFeed(news(note(1, "a"))), database.app_url) as running:
        await running.reached()
    rows(
        database.admin_url,
        "INSERT INTO read.line_totals SELECT n::text, '2026-01-01', 0, 1, 1, 1, 1 FROM generate_series(1, 5000) n",
    )
    rows(database.admin_url, "ANALYZE read.line_totals")
    plan = rows(database.admin_url, f"EXPLAIN {TOTALS} WHERE line = 'a'")
    assert any("line_totals_pkey" in line for (line,) in plan), plan
