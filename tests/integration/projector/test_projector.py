"""Read models follow the log: exactly once in effect, whatever breaks, and rebuilt as they are live."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import psycopg
import pytest
from msgspec.structs import replace

from application.ports import RecordedEvent, Undecodable
from domain.kernel import Root
from infra.projector.quarantine import NotInQuarantine, retry
from infra.projector.rebuild.bulk_load import BulkLoader
from infra.projector.rebuild.rebuild import RebuildRunning, _Rebuild, rebuild
from projections.kernel import Change, PersonalData, ReadModel, Table, read_models
from tests.support.history import History
from tests.support.note import Note
from tests.support.notes import Notes, note
from tests.support.projecting import MemoryFeed, append, dump, positions, projecting, quarantine_of, recorded
from tests.support.servers import Cluster, Database
from tests.support.stores import disconnect, open_store, rows
from tests.support.waiting import until

MODELS = read_models()


@pytest.fixture(scope="module")
def lived(cluster: Cluster) -> Iterator[Database]:
    """A database whose read models have lived through a history, batch by batch."""

    async def live(database: Database) -> None:
        async with open_store(database.app_url) as opened:
            feed = opened.feed()
            await feed.start()
            async with projecting(MODELS, feed, database.app_url) as running:
                await append(opened, History(69).changes(900))
                await running.reached()
            await feed.stop()

    with cluster.database() as database:
        asyncio.run(live(database))
        yield database


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_what_is_rebuilt_equals_what_lived_byte_for_byte(model: ReadModel, lived: Database) -> None:
    before = dump(lived.app_url, model.name)
    async with open_store(lived.app_url) as opened:
        done = await rebuild(model, opened.feed(), lived.app_url)
    assert before
    assert dump(lived.app_url, model.name) == before
    assert (done.differing, done.quarantined) == (0, 0)
    assert done.rows_before == done.rows_after == before.count(b"\n")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_a_rebuild_in_little_memory_makes_the_same_rows(
    model: ReadModel, lived: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(lived.app_url, model.name)
    monkeypatch.setattr("infra.projector.rebuild.bulk_load.BATCH", 100)
    monkeypatch.setattr(BulkLoader.__init__, "__defaults__", (frozenset(), None, 10_000))
    async with open_store(lived.app_url) as opened:
        await rebuild(model, opened.feed(), lived.app_url)
    assert dump(lived.app_url, model.name) == before


def log_of(*roots: Root) -> MemoryFeed:
    """A log of the aggregates' pending events, round about: one of each, then the next of each."""
    pending = [list(root.pending_events) for root in roots]
    turns = range(max(len(events) for events in pending))
    events = [events[turn] for turn in turns for events in pending if turn < len(events)]
    return MemoryFeed(recorded(*events))  # type: ignore[arg-type]


def notes_in(url: str) -> dict[int, tuple[str, int]]:
    """Text and number of lines by number of the note."""
    return {UUID(str(id)).int: (text, lines) for id, text, lines in rows(url, "SELECT id, text, lines FROM read.notes")}


async def project(feed: MemoryFeed, url: str, model: ReadModel | None = None) -> None:
    """Project the whole log."""
    async with projecting([model or Notes()], feed, url) as running:
        await running.reached()


async def test_an_event_that_cannot_be_projected_stops_its_stream_alone(database: Database) -> None:
    await project(log_of(note(1, "a", "!raise", "b"), note(2, "a", "b", "c")), database.app_url)
    assert notes_in(database.app_url) == {1: ("note 1\na", 2), 2: ("note 2\na\nb\nc", 4)}
    [case] = await quarantine_of(database.app_url)
    assert (case.consumer, case.stream_id, case.position, case.error) == ("notes", UUID(int=1), 5, "RuntimeError")


async def test_an_event_that_the_database_refuses_stops_its_stream_alone(database: Database) -> None:
    await project(log_of(note(1, "a", "nul: \0", "b"), note(2, "a", "b", "c")), database.app_url)
    assert notes_in(database.app_url) == {1: ("note 1\na", 2), 2: ("note 2\na\nb\nc", 4)}
    [case] = await quarantine_of(database.app_url)
    assert (case.stream_id, case.position) == (UUID(int=1), 5)


async def test_an_event_that_cannot_be_read_stops_its_stream_alone(database: Database) -> None:
    feed = log_of(note(1, "a", "b"), note(2, "a", "b"))
    feed.events[2] = broken = RecordedEvent(
        3, UUID(int=1), 2, "note.extended", feed.events[2].recorded_at, None, Undecodable("X")
    )
    await project(feed, database.app_url)
    assert notes_in(database.app_url) == {1: ("note 1", 1), 2: ("note 2\na\nb", 3)}
    [case] = await quarantine_of(database.app_url)
    assert (case.position, case.error) == (broken.position, "Unreadable")


async def test_an_unreadable_event_of_other_aggregates_is_none_of_its_business(database: Database) -> None:
    feed = log_of(note(1, "a"))
    feed.events.append(replace(feed.events[1], position=3, topic="team.founded", data=Undecodable("X")))
    await project(feed, database.app_url)
    assert await quarantine_of(database.app_url) == []


async def test_a_stream_stays_in_quarantine_for_later_batches_too(database: Database) -> None:
    feed = log_of(note(1, "!raise"))
    later = log_of(note(1, "!raise", "a")).events[2:]
    async with projecting([Notes()], feed, database.app_url) as running:
        await running.reached()
        feed.add(later)
        await running.reached()
    assert notes_in(database.app_url) == {1: ("note 1", 1)}


@pytest.mark.parametrize("poison", ["!raise", "nul: \0"])
async def test_a_rebuild_leaves_out_what_the_living_one_left_out(database: Database, poison: str) -> None:
    feed = log_of(note(1, "a", poison, "b"), note(2, "a"), note(3, poison), note(4, "a", "b", "c", "d"))
    await project(feed, database.app_url)
    before = dump(database.app_url, "notes"), [case.position for case in await quarantine_of(database.app_url)]
    done = await rebuild(Notes(), feed, database.app_url)
    assert (done.differing, done.quarantined) == (0, 2)
    after = dump(database.app_url, "notes"), [case.position for case in await quarantine_of(database.app_url)]
    assert after == before


async def test_a_retry_takes_in_what_a_stream_has_missed(database: Database) -> None:
    feed = log_of(note(1, "a", "!raise", "b"), note(2, "a"))
    await project(feed, database.app_url)
    mended = log_of(note(1, "a", "mended", "b"), note(2, "a"))
    assert await retry(Notes(), UUID(int=1), mended, database.app_url) is None
    assert notes_in(database.app_url)[1] == ("note 1\na\nmended\nb", 4)
    assert await quarantine_of(database.app_url) == []
    assert (await rebuild(Notes(), mended, database.app_url)).differing == 0
    with pytest.raises(NotInQuarantine):
        await retry(Notes(), UUID(int=1), mended, database.app_url)


async def test_h3_pages_of_one_event_make_the_same_rows(database: Database) -> None:
    notes = [note(1, "a", "!raise", "b"), note(2, "a"), note(1, "a", "mended", "b")]
    await project(MemoryFeed(log_of(*notes[:2]).events, page=1), database.app_url)
    mended = MemoryFeed(log_of(notes[2], notes[1]).events, page=1)
    assert await retry(Notes(), UUID(int=1), mended, database.app_url) is None
    assert notes_in(database.app_url) == {1: ("note 1\na\nmended\nb", 4), 2: ("note 2\na", 2)}
    assert (await rebuild(Notes(), mended, database.app_url)).differing == 0
    assert (await rebuild(Colours(), mended, database.app_url)).rows_after == 2


@pytest.mark.parametrize("poison", ["!raise", "nul: \0"])
async def test_a_retry_in_vain_changes_nothing(database: Database, poison: str) -> None:
    feed = log_of(note(1, "a", poison, "b"))
    await project(feed, database.app_url)
    before = await quarantine_of(database.app_url)
    found = await retry(Notes(), UUID(int=1), feed, database.app_url)
    assert found is not None
    assert found.position == 3
    assert [(case.stream_id, case.position) for case in before] == [
        (case.stream_id, case.position) for case in await quarantine_of(database.app_url)
    ]
    assert notes_in(database.app_url) == {1: ("note 1\na", 2)}


async def test_a_skip_does_without_the_event_at_rebuilds_too(database: Database) -> None:
    feed = log_of(note(1, "a", "!raise", "b", "!raise", "c"))
    await project(feed, database.app_url)
    assert (await retry(Notes(), UUID(int=1), feed, database.app_url, skip=True)).position == 5  # type: ignore[union-attr]
    assert await retry(Notes(), UUID(int=1), feed, database.app_url, skip=True) is None
    assert notes_in(database.app_url) == {1: ("note 1\na\nb\nc", 4)}
    done = await rebuild(Notes(), feed, database.app_url)
    assert (done.differing, done.quarantined) == (0, 0)
    assert notes_in(database.app_url) == {1: ("note 1\na\nb\nc", 4)}


async def test_two_projectors_count_every_event_once(database: Database) -> None:
    feed = MemoryFeed()
    history = log_of(*(note(n, *["line"] * 50) for n in range(1, 21))).events
    async with (
        projecting([Notes()], feed, database.app_url) as one,
        projecting([Notes()], feed, database.app_url) as other,
    ):
        for start in range(0, len(history), 17):
            feed.add(history[start : start + 17])
            await asyncio.sleep(0.001)
        await one.reached()
        await other.reached()
    assert {lines for _, lines in notes_in(database.app_url).values()} == {51}


class SlowFeed(MemoryFeed):
    """What it reads is old by the time it arrives."""

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        events = await super().read(after, limit)
        await asyncio.sleep(0.03)
        return events


async def test_what_another_projector_has_applied_meanwhile_is_not_applied_again(database: Database) -> None:
    quick, slow = MemoryFeed(), SlowFeed()
    history = log_of(*(note(n, *["line"] * 10) for n in range(1, 6))).events
    async with (
        projecting([Notes()], quick, database.app_url) as one,
        projecting([Notes()], slow, database.app_url) as other,
    ):
        for start in range(0, len(history), 5):
            slow.add(history[start : start + 5])
            quick.add(history[start : start + 5])
            await asyncio.sleep(0.02)
        await one.reached()
        await other.reached()
    assert {lines for _, lines in notes_in(database.app_url).values()} == {11}


async def test_a_projector_that_stands_by_takes_over(database: Database) -> None:
    feed = log_of(note(1, "a"))
    async with AsyncExitStack() as first:
        one = await first.enter_async_context(projecting([Notes()], feed, database.app_url))
        async with projecting([Notes()], feed, database.app_url) as other:
            await one.reached()
            await first.aclose()
            feed.add(log_of(note(1, "a", "b")).events[2:])
            await other.reached()
    assert notes_in(database.app_url) == {1: ("note 1\na\nb", 3)}


async def test_connections_cut_at_any_moment_lose_and_repeat_nothing(database: Database) -> None:
    feed = MemoryFeed()
    history = log_of(*(note(n, *["line"] * 40) for n in range(1, 11))).events
    dice = random.Random(1)
    async with projecting([Notes()], feed, database.app_url) as running:
        for start in range(0, len(history), 20):
            feed.add(history[start : start + 20])
            await asyncio.sleep(dice.uniform(0, 0.02))
            if dice.random() < 0.3:
                disconnect(database.admin_url)
        await running.reached()
    assert {lines for _, lines in notes_in(database.app_url).values()} == {41}


async def test_a_projector_cancelled_at_any_moment_loses_and_repeats_nothing(database: Database) -> None:
    feed = log_of(*(note(n, *["line"] * 40) for n in range(1, 11)))
    dice = random.Random(2)
    for end in range(10, len(feed.events) + 1, 25):
        part = MemoryFeed(feed.events[:end])
        async with projecting([Notes()], part, database.app_url):
            await asyncio.sleep(dice.uniform(0, 0.02))
    await project(feed, database.app_url)
    assert {lines for _, lines in notes_in(database.app_url).values()} == {41}


class Gone(Notes):
    """A read model whose table somebody has dropped."""

    table = Table("gone", key=Notes.table.key, columns={"text": "text", "colour": "text", "lines": "bigint"})


async def test_a_broken_read_model_holds_up_no_other(database: Database) -> None:
    feed = log_of(note(1, "a"))
    await project(feed, database.app_url, Gone())
    rows(database.admin_url, "DROP TABLE read.gone")
    feed.add(log_of(note(1, "a", "b")).events[2:])
    async with projecting([Gone(), Notes()], feed, database.app_url):
        await until(lambda: positions(database.app_url, [Notes()]) == {"notes": 3})
    assert positions(database.app_url, [Gone()]) == {"gone": 2}
    assert await quarantine_of(database.app_url) == []


async def test_a_read_model_that_comes_late_joins_the_others(database: Database) -> None:
    feed = log_of(*(note(n, "a", "b") for n in range(1, 1_001)))
    await project(feed, database.app_url)
    async with projecting([Gone(), Notes()], feed, database.app_url) as running:
        feed.add(log_of(*(note(n, "a", "b", "c") for n in range(1, 11))).events[30:])
        await running.reached()
    same = "SELECT count(*) FROM read.notes JOIN read.gone USING (id, text, lines, position)"
    assert rows(database.app_url, same) == [(1_000,)]


class Colours(ReadModel):
    """The second version of the notes: another table altogether."""

    version = 2
    roots = (Note,)
    personal = PersonalData("what a test writes", "with the database of the test")
    table = Table("notes", key={"id": "uuid"}, columns={"shade": "text NOT NULL"})

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        if isinstance(event.data, Note.Written):
            yield self.table.put(event.stream_id, shade=event.data.colour)


async def test_a_new_version_is_built_aside_and_swapped_in(database: Database) -> None:
    feed = log_of(note(1, "a"), note(2, "a"))
    await project(feed, database.app_url)
    await project(feed, database.app_url, Colours())
    assert rows(database.app_url, "SELECT shade, position FROM read.notes ORDER BY id") == [
        ("yellow", 1),
        ("yellow", 2),
    ]


async def test_the_swap_of_a_rebuilt_table_waits_for_the_disk(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, swap, found = log_of(note(1, "a")), _Rebuild._swap, list[str]()
    await project(feed, database.app_url)

    async def spied(self: _Rebuild) -> None:
        await swap(self)
        cursor = await self._connection.execute("SHOW synchronous_commit")
        found.extend(value for (value,) in await cursor.fetchall())

    monkeypatch.setattr(_Rebuild, "_swap", spied)
    await rebuild(Notes(), feed, database.app_url)
    assert found == ["on"]


async def test_old_code_leaves_a_newer_table_alone(database: Database) -> None:
    feed = log_of(note(1, "a"))
    await project(feed, database.app_url, Colours())
    feed.add(log_of(note(1, "a", "b")).events[2:])
    async with projecting([Notes(), Texts()], feed, database.app_url):
        await until(lambda: positions(database.app_url, [Texts()]) == {"texts": 3})
    assert positions(database.app_url, [Colours()]) == {"notes": 2}


async def test_readers_and_the_living_projection_do_not_notice_a_rebuild(database: Database) -> None:
    feed = log_of(*(note(n) for n in range(1, 301)))
    extensions = log_of(*(note(n, "a", "b") for n in range(1, 301))).events[300:]
    counts: set[int] = set()
    rebuilding = True

    async def read() -> None:
        async with await psycopg.AsyncConnection.connect(database.app_url, autocommit=True) as connection:
            while rebuilding:
                cursor = await connection.execute("SELECT count(*), sum(lines) FROM read.notes", prepare=True)
                row = await cursor.fetchone()
                assert row is not None
                counts.add(row[0])

    async def write() -> None:
        for start in range(0, len(extensions), 10):
            feed.add(extensions[start : start + 10])
            await asyncio.sleep(0.005)

    async with projecting([Notes()], feed, database.app_url) as running:
        await running.reached()
        readers = [asyncio.create_task(read()) for _ in range(3)]
        writing = asyncio.create_task(write())
        for _ in range(3):
            assert (await rebuild(Notes(), feed, database.app_url)).differing == 0
        await writing
        await running.reached()
        rebuilding = False
        await asyncio.gather(*readers)
    assert counts == {300}
    assert {lines for _, lines in notes_in(database.app_url).values()} == {3}


async def test_a_check_finds_what_differs_and_changes_nothing(database: Database) -> None:
    feed = log_of(note(1, "a"), note(2, "a"), note(3, "a"))
    await project(feed, database.app_url)
    rows(database.admin_url, "UPDATE read.notes SET lines = 7 WHERE text LIKE 'note 2%%'")
    before = dump(database.app_url, "notes")
    assert (await rebuild(Notes(), feed, database.app_url, swap=False)).differing == 1
    assert dump(database.app_url, "notes") == before
    assert rows(database.app_url, "SELECT name FROM projections") == [("notes",)]
    assert (await rebuild(Notes(), feed, database.app_url)).differing == 1
    assert (await rebuild(Notes(), feed, database.app_url)).differing == 0


async def test_a_check_finds_values_that_have_changed_places(database: Database) -> None:
    feed = log_of(*(note(n, *["a"] * n) for n in range(1, 9)))
    await project(feed, database.app_url)
    rows(
        database.admin_url,
        "UPDATE read.notes SET lines = 11 - lines WHERE text LIKE 'note 3%%' OR text LIKE 'note 6%%'",
    )
    assert (await rebuild(Notes(), feed, database.app_url)).differing == 2


class Texts(ReadModel):
    """Notes by their text, which may be too long for a key."""

    version = 1
    roots = (Note,)
    personal = PersonalData("what a test writes", "with the database of the test")
    table = Table("texts", key={"text": "text"}, columns={"colour": "text NOT NULL"})

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        if isinstance(event.data, Note.Written):
            yield self.table.put(event.data.text, colour=event.data.colour)


async def test_a_row_that_the_key_cannot_take_stops_its_stream_alone_at_a_rebuild_too(database: Database) -> None:
    long = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=15_000))
    feed = log_of(note(1), Note.write(UUID(int=2), long), note(3))
    async with projecting([Texts()], feed, database.app_url) as running:
        await running.reached()
    rebuilt = await rebuild(Texts(), feed, database.app_url)
    assert (rebuilt.rows_before, rebuilt.rows_after, rebuilt.differing, rebuilt.quarantined) == (2, 2, 0, 1)


async def test_one_read_model_is_rebuilt_by_one_at_a_time(database: Database) -> None:
    feed = log_of(*(note(n) for n in range(1, 5_001)))
    await project(feed, database.app_url)
    results = await asyncio.gather(
        *(rebuild(Notes(), feed, database.app_url) for _ in range(2)), return_exceptions=True
    )
    assert sum(isinstance(result, RebuildRunning) for result in results) == 1


async def test_a_rebuild_that_was_broken_off_is_started_over(database: Database) -> None:
    feed = log_of(*(note(n, "a") for n in range(1, 2_001)))
    await project(feed, database.app_url)
    broken = asyncio.create_task(rebuild(Notes(), feed, database.app_url))
    await asyncio.sleep(0.05)
    broken.cancel()
    with pytest.raises(asyncio.CancelledError):
        await broken
    done = await rebuild(Notes(), feed, database.app_url)
    assert (done.differing, done.rows_after) == (0, 2_000)


async def test_a_dropped_row_is_gone_and_may_come_back(database: Database) -> None:
    one, two = note(1, "a"), note(2)
    one.relabel("gone")
    feed = log_of(one, two)
    feed.add(log_of(note(1, "new")).events)
    await project(feed, database.app_url)
    assert notes_in(database.app_url) == {1: ("note 1\nnew", 2), 2: ("note 2", 1)}
    assert (await rebuild(Notes(), feed, database.app_url)).differing == 0
