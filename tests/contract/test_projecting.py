"""What every feed promises to read models: each event once in effect, in order, whatever breaks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from uuid import UUID

import pytest

from infra.kafka.client.topics import Topics
from infra.local.servers.kafka import EmbeddedKafka
from infra.postgres.projector_connection import connect
from infra.projector.checkpoints import PROJECTIONS, QuarantinedStream
from infra.projector.quarantine import retry
from infra.projector.rebuild.rebuild import rebuild
from projections.kernel import read_models
from tests.support.feeding import Feeding, FromKafka, FromStore, checked, grown, lines_in
from tests.support.history import History
from tests.support.note import Note
from tests.support.notes import Notes, note
from tests.support.projecting import dump, positions
from tests.support.publishing import Publisher, publishing
from tests.support.servers import Database
from tests.support.stores import disconnect, open_store, rows
from tests.support.totals import LineTotals, expected, totals_in
from tests.support.waiting import until

GARBLE = """
CREATE FUNCTION garble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.originator_id = '00000000-0000-0000-0000-000000000001' AND NEW.originator_version = 2 THEN
        NEW.state := 'garbage';
    END IF;
    RETURN NEW;
END $$
"""


@pytest.fixture
def publisher(kafka: EmbeddedKafka, topics: Topics, database: Database) -> Iterator[Publisher]:
    with publishing(kafka.address, topics, database.admin_url) as publisher:
        yield publisher


@pytest.fixture(params=["store", "kafka"])
async def feeding(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Feeding]:
    async with open_store(database.app_url) as opened:
        if request.param == "store":
            yield FromStore(opened)
        else:
            yield FromKafka(opened, request.getfixturevalue("publisher"))


async def test_what_has_lived_equals_what_is_rebuilt(feeding: Feeding) -> None:
    models = read_models()
    async with feeding.projecting(*models) as running:
        for roots in History(69).changes(300):
            await feeding.append(*roots)
        await running.reached()
    for done in await checked(feeding.opened, *models):
        assert (done.differing, done.quarantined) == (0, 0)
        assert done.rows_after


async def test_events_that_come_while_it_works_are_counted_once(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 21)]
    async with feeding.projecting(Notes()) as running:
        for turn in grown(notes, 10):
            await feeding.append(*turn)
        await running.reached()
    assert lines_in(database) == dict.fromkeys(range(1, 21), 11)


async def test_two_projectors_count_every_event_once(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 21)]
    async with feeding.projecting(Notes()) as one, feeding.projecting(Notes()) as other:
        for turn in grown(notes, 10):
            await feeding.append(*turn)
        await one.reached()
        await other.reached()
    assert set(lines_in(database).values()) == {11}
    assert [done.differing for done in await checked(feeding.opened, Notes())] == [0]


async def test_a_projector_that_starts_again_goes_on_where_it_was(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 6)]
    for turn in grown(notes, 3):
        await feeding.append(*turn)
        async with feeding.projecting(Notes()) as running:
            await running.reached()
    assert set(lines_in(database).values()) == {4}


async def test_connections_that_are_cut_lose_and_repeat_nothing(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 11)]
    async with feeding.projecting(Notes()) as running:
        for n, turn in enumerate(grown(notes, 12)):
            await feeding.append(*turn)
            if n % 4 == 1:
                disconnect(database.admin_url, "palimpsest_tests")
        await running.reached()
    assert set(lines_in(database).values()) == {13}


async def test_an_event_that_cannot_be_projected_stops_its_stream_alone(feeding: Feeding, database: Database) -> None:
    async with feeding.projecting(Notes()) as running:
        await feeding.append(note(1, "a", "!raise", "b"), note(2, "a", "b", "c"), note(3, "nul: \0", "b"))
        await running.reached()
        assert lines_in(database) == {1: 2, 2: 4, 3: 1}
        later = note(4, "a")
        await feeding.append(later)
        await running.reached()
    assert lines_in(database)[4] == 2
    assert [(case.stream_id.int, case.error) for case in await in_quarantine(database)] == [
        (1, "RuntimeError"),
        (3, "CharacterNotInRepertoire"),
    ]
    [done] = await checked(feeding.opened, Notes())
    assert (done.differing, done.quarantined) == (0, 2)


async def test_an_event_that_cannot_be_read_stops_its_stream_alone(feeding: Feeding, database: Database) -> None:
    broken, sound = note(1, "a", "b"), note(2, "a", "b")
    async with feeding.projecting(Notes()) as running:
        await feeding.append(note(3))
        await running.reached()
        await _append_garbled(feeding, database, broken, sound)
        await running.reached()
    assert lines_in(database) == {1: 1, 2: 3, 3: 1}
    [case] = await in_quarantine(database)
    assert (case.stream_id, case.error) == (UUID(int=1), "Unreadable")


async def _append_garbled(feeding: Feeding, database: Database, broken: Note, sound: Note) -> None:
    """Append both notes, the second event of the first one beyond reading."""
    rows(database.admin_url, GARBLE)
    rows(
        database.admin_url,
        "CREATE TRIGGER garble BEFORE INSERT ON stored_events FOR EACH ROW EXECUTE FUNCTION garble()",
    )
    await feeding.append(broken, sound)


async def test_a_retry_takes_in_what_a_stream_has_missed(feeding: Feeding, database: Database) -> None:
    stopped = note(1, "a", "!raise", "b")
    async with feeding.projecting(Notes()) as running:
        await feeding.append(stopped, note(2, "a"))
        await running.reached()
        log = feeding.opened.feed()
        assert await retry(Notes(), stopped.id, log, database.app_url, skip=True) is None
        assert lines_in(database) == {1: 3, 2: 2}
        stopped.extend("c")
        await feeding.append(stopped)
        await running.reached()
    assert lines_in(database) == {1: 4, 2: 2}
    assert [done.differing for done in await checked(feeding.opened, Notes())] == [0]


async def test_a_read_model_is_rebuilt_and_swapped_while_it_lives(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 31)]
    async with feeding.projecting(Notes()) as running:
        await feeding.append(*notes)

        async def grow() -> None:
            for turn in grown(notes, 10):
                await feeding.append(*turn)

        growing = asyncio.create_task(grow())
        for _ in range(3):
            done = await rebuild(Notes(), feeding.opened.feed(), database.app_url)
            assert done.differing in (0, None)
        await growing
        await running.reached()
    assert set(lines_in(database).values()) == {11}
    before = dump(database.app_url, "notes")
    assert (await rebuild(Notes(), feeding.opened.feed(), database.app_url)).differing == 0
    assert dump(database.app_url, "notes") == before


async def test_a_read_model_that_comes_late_joins_the_others(feeding: Feeding, database: Database) -> None:
    models = read_models()
    async with feeding.projecting(*models[:2]) as running:
        history = History(3)
        for roots in history.changes(40):
            await feeding.append(*roots)
        await running.reached()
    async with feeding.projecting(*models) as running:
        for roots in history.changes(5):
            await feeding.append(*roots)
        await running.reached()
    assert {done.differing for done in await checked(feeding.opened, *models)} == {0}


async def test_rows_that_several_streams_change_are_added_up_once(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 21)]
    async with feeding.projecting(LineTotals(), Notes()) as running:
        for n, turn in enumerate(grown(notes, 12)):
            await feeding.append(*turn)
            if n % 4 == 1:
                disconnect(database.admin_url, "palimpsest_tests")
        await running.reached()
    assert totals_in(database.app_url) == expected(dict.fromkeys(map(str, range(12)), 20), 20)
    live = dump(database.app_url, "line_totals")
    done = await rebuild(LineTotals(), feeding.opened.feed(), database.app_url)
    assert (done.differing, done.quarantined) == (0, 0)
    assert dump(database.app_url, "line_totals") == live


async def test_a_stream_that_is_released_is_added_up_once(feeding: Feeding, database: Database) -> None:
    stopped = note(1, "a", "!raise", "b")
    async with feeding.projecting(LineTotals()) as running:
        await feeding.append(stopped, note(2, "a", "b"))
        await running.reached()
        assert totals_in(database.app_url) == expected({"a": 2, "b": 1}, 2)
        assert await retry(LineTotals(), stopped.id, feeding.opened.feed(), database.app_url, skip=True) is None
        assert totals_in(database.app_url) == expected({"a": 2, "b": 2}, 2)
        stopped.extend("b")
        await feeding.append(stopped)
        await running.reached()
    assert totals_in(database.app_url) == expected({"a": 2, "b": 3}, 2)
    assert [done.differing for done in await checked(feeding.opened, LineTotals())] == [0]


async def test_several_projectors_add_up_together(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 21)]
    async with AsyncExitStack() as stack:
        for _ in range(3):
            running = await stack.enter_async_context(feeding.projecting(LineTotals()))
        for turn in grown(notes, 15):
            await feeding.append(*turn)
        await running.reached(patience=40)
    assert totals_in(database.app_url) == expected(dict.fromkeys(map(str, range(15)), 20), 20)
    assert [done.differing for done in await checked(feeding.opened, LineTotals())] == [0]


async def test_a_quiet_log_has_been_reached(feeding: Feeding, database: Database) -> None:
    async with feeding.projecting(Notes()) as running:
        last = await feeding.append(note(1, "a", "b"))
        await until(lambda: positions(database.app_url, [Notes()]) == {"notes": last})
        assert await running.feed.head() == last


async def in_quarantine(database: Database) -> list[QuarantinedStream]:
    """Who is in quarantine, by position."""
    async with await connect(database.app_url) as connection:
        return list(await PROJECTIONS.list_quarantine(connection))
