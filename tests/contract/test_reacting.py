"""What every feed promises to policies: each event has its effect once, in order, whatever breaks."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import msgspec
import pytest

from infra.kafka.client.topics import Topics
from infra.local.servers.kafka import EmbeddedKafka
from infra.policies.consumer import retry_policy
from infra.policies.tables import POLICY_CHECKPOINTS
from infra.postgres.projector_connection import connect
from tests.support.feeding import Feeding, FromKafka, FromStore, grown
from tests.support.mirror import ANNOUNCE, COUNT, COUNT_ALL, MIRROR, Mirror, Seen
from tests.support.note import AUTHOR, Note
from tests.support.notes import note
from tests.support.publishing import Publisher, publishing
from tests.support.reacting import create_job_table, jobs_in, parts_of, reacting
from tests.support.servers import Database
from tests.support.stores import disconnect, open_store, rows


@pytest.fixture
def publisher(kafka: EmbeddedKafka, topics: Topics, database: Database) -> Iterator[Publisher]:
    with publishing(kafka.address, topics, database.admin_url) as publisher:
        yield publisher


@pytest.fixture(params=["store", "kafka"])
async def feeding(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Feeding]:
    create_job_table(database.admin_url)
    async with open_store(database.app_url) as opened:
        if request.param == "store":
            yield FromStore(opened)
        else:
            yield FromKafka(opened, request.getfixturevalue("publisher"))


def announced(*notes: Note) -> dict[str, int]:
    """Every line of the notes, announced once."""
    return {f"{each.id}:{version}": 1 for each in notes for version in range(1, each.version + 1)}


def lines_in_mirrors(database: Database, *notes: Note) -> dict[UUID, int]:
    """The number of lines in the mirror of each note."""
    query = "SELECT originator_id, max(originator_version) FROM stored_events GROUP BY originator_id"
    found = dict(rows(database.admin_url, query))
    return {each.id: int(found.get(Mirror.id_of(each.id), 0)) for each in notes}


def states_in(database: Database) -> dict[tuple[str, UUID], Seen]:
    """The states by policy and key."""
    found = rows(database.app_url, "SELECT policy, key, state FROM policy_states")
    return {(policy, key): msgspec.msgpack.decode(state, type=Seen) for policy, key, state in found}


async def quarantined(database: Database) -> list[tuple[str, int, str]]:
    """The policy, stream and error of each stream in quarantine."""
    async with await connect(database.app_url) as connection:
        found = await POLICY_CHECKPOINTS.list_quarantine(connection)
    return [(each.consumer, each.stream_id.int, each.error) for each in found]


async def test_each_event_causes_its_jobs_and_commands_once(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 11)]
    async with reacting(feeding, ANNOUNCE, MIRROR) as running:
        for turn in grown(notes, 5):
            await feeding.append(*turn)
        await running.reached()
    assert jobs_in(database.admin_url) == dict.fromkeys(announced(*notes), 2)
    assert lines_in_mirrors(database, *notes) == {each.id: 6 for each in notes}


async def test_a_command_says_which_event_has_caused_it(feeding: Feeding, database: Database) -> None:
    written = note(1)
    async with reacting(feeding, MIRROR) as running:
        await feeding.append(written)
        await running.reached()
    query = "SELECT event_id, correlation_id, causation_id, actor_id FROM events WHERE stream_id = %s"
    [cause], [effect] = (rows(database.admin_url, query, id) for id in (written.id, Mirror.id_of(written.id)))
    assert effect[1:] == (cause[1], cause[0], None)


async def test_several_commands_about_an_event_are_all_carried_out(feeding: Feeding, database: Database) -> None:
    both = note(1, "twice")
    async with reacting(feeding, MIRROR) as running:
        await feeding.append(both)
        await running.reached()
    assert lines_in_mirrors(database, both) == {both.id: 3}


async def test_two_workers_react_to_every_event_once(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 11)]
    async with reacting(feeding, MIRROR) as one, reacting(feeding, MIRROR) as other:
        for turn in grown(notes, 6):
            await feeding.append(*turn)
        await one.reached()
        await other.reached()
    assert jobs_in(database.admin_url) == announced(*notes)
    assert set(lines_in_mirrors(database, *notes).values()) == {7}


async def test_connections_that_are_cut_lose_and_repeat_nothing(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 9)]
    async with reacting(feeding, MIRROR, COUNT) as running:
        for n, turn in enumerate(grown(notes, 8)):
            await feeding.append(*turn)
            if n % 3 == 1:
                disconnect(database.admin_url, "palimpsest_tests", "%polic%")
        await running.reached()
    thirds = {f"{each.id}:{version}": 1 for each in notes for version in (3, 6, 9)}
    expected = announced(*notes)
    assert jobs_in(database.admin_url) == {key: 1 + thirds.get(key, 0) for key in expected}
    assert set(lines_in_mirrors(database, *notes).values()) == {9}


async def test_a_worker_that_starts_again_goes_on_where_it_was(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 4)]
    for turn in grown(notes, 5):
        async with reacting(feeding, COUNT, ANNOUNCE) as running:
            await feeding.append(*turn)
            await running.reached()
    assert sum(jobs_in(database.admin_url).values()) == 3 * 6 + 3 * 2
    assert states_in(database) == {("count", each.id): Seen() for each in notes}


async def test_a_state_that_is_no_longer_needed_is_deleted(feeding: Feeding, database: Database) -> None:
    gone, kept = note(1, "a"), note(2, "a")
    gone.relabel("another")
    async with reacting(feeding, COUNT) as running:
        await feeding.append(gone, kept)
        await running.reached()
    assert states_in(database) == {("count", kept.id): Seen(2, "even")}


async def test_streams_may_share_a_state(feeding: Feeding, database: Database) -> None:
    notes = [note(n) for n in range(1, 31)]
    async with reacting(feeding, COUNT_ALL) as one, reacting(feeding, COUNT_ALL):
        for each in notes:
            await feeding.append(each)
        await one.reached()
    assert states_in(database) == {("count_all", AUTHOR): Seen(30)}


async def test_a_new_policy_begins_at_the_end_of_the_log_unless_it_says_otherwise(
    feeding: Feeding, database: Database
) -> None:
    await feeding.append(note(1, "a"), note(2))
    async with reacting(feeding, ANNOUNCE, COUNT_ALL) as running:
        await feeding.append(note(3))
        await running.reached()
    assert jobs_in(database.admin_url) == announced(note(3))
    assert states_in(database) == {("count_all", AUTHOR): Seen(3)}


async def test_a_bad_event_stops_its_stream_in_its_policy_alone(feeding: Feeding, database: Database) -> None:
    raised, refused, nul = note(1, "!raise", "b"), note(2, "!refuse", "b"), note(3, "nul: \0", "b")
    async with reacting(feeding, ANNOUNCE, MIRROR) as running:
        await feeding.append(raised, refused, nul, note(4, "a"))
        await running.reached()
        later = note(5, "a")
        await feeding.append(later)
        await running.reached()
    assert sorted(await quarantined(database)) == [
        ("announce", 1, "RuntimeError"),
        ("announce", 3, "CharacterNotInRepertoire"),
        ("mirror", 2, "NotThisLine"),
    ]
    assert set(lines_in_mirrors(database, raised, refused, nul, later).items()) == {
        (raised.id, 3),
        (refused.id, 1),
        (nul.id, 3),
        (later.id, 2),
    }
    jobs = jobs_in(database.admin_url)
    assert [jobs[f"{each.id}:{n}"] for each in (raised, refused, nul, later) for n in (1, 2)] == [
        2,
        1,
        2,
        1,
        2,
        1,
        2,
        2,
    ]


async def test_a_retry_does_what_was_missed_in_order_and_nothing_twice(feeding: Feeding, database: Database) -> None:
    stopped = note(1, "!refuse", "b", "twice")
    async with reacting(feeding, MIRROR) as running:
        await feeding.append(stopped, note(2))
        await running.reached()
        log, parts, url = feeding.opened.feed(), parts_of(feeding.opened), database.app_url
        poison = await retry_policy(MIRROR, parts, stopped.id, log, url)
        assert poison is not None
        assert (poison.position, poison.error) == (2, "NotThisLine")
        assert lines_in_mirrors(database, stopped) == {stopped.id: 1}
        assert await retry_policy(MIRROR, parts, stopped.id, log, url, skip=True) is None
        assert lines_in_mirrors(database, stopped) == {stopped.id: 4}
        stopped.extend("c")
        await feeding.append(stopped)
        await running.reached()
    assert lines_in_mirrors(database, stopped) == {stopped.id: 5}
    assert await quarantined(database) == []
    assert rows(database.app_url, "SELECT policy, position FROM policy_skips") == [("mirror", 2)]
