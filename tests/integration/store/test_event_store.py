"""The guarantees of the event store on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated
from uuid import UUID, uuid4

import psycopg
import pytest
from msgspec import structs

from application.ports import (
    CommandContext,
    Copy,
    Idempotency,
    StoredResponse,
    Undecodable,
    Unreadable,
    VersionConflict,
)
from domain.kernel import ERASED, FirstEvent, NotFound, Party, PersonalField, Root
from infra.store.event_bytes import Metadata, metadata_of
from infra.store.stream_reader import StreamGap
from tests.support.note import NOW, Note
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, destroy_keys, open_store, rows

POSITIONS = "SELECT notification_id FROM stored_events ORDER BY notification_id"


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    async with open_store(database.app_url) as opened:
        yield opened


def note(text: str = "text", label: str = "") -> Note:
    return Note.write(uuid4(), text, label)


def keyed(root: Note, key: bytes = b"k" * 32) -> Idempotency:
    """A record that names the root as it is."""
    return Idempotency(key, b"f" * 32, root.id, root.id, root.version, NOW, Copy(b"the answer"))


async def test_events_carry_their_circumstances(opened: Opened, database: Database) -> None:
    written = note()
    await opened.store.append([written], CALL, None)
    [(topic, state, recorded_at)] = rows(database.admin_url, "SELECT topic, state, recorded_at FROM stored_events")
    metadata = metadata_of(state)
    assert metadata == Metadata(metadata.event_id, 2, written.tenant, UUID(int=7), None, UUID(int=8), UUID(int=9))
    assert metadata.event_id.version == 7
    assert topic == "note.written"
    assert recorded_at.tzinfo is not None


async def test_the_view_shows_the_metadata_of_each_event(opened: Opened, database: Database) -> None:
    first, second = note(), note()
    traced = replace(CALL, on_behalf_of=uuid4(), traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    await opened.store.append([first], traced, None)
    await opened.store.append([second], CommandContext(None, uuid4()), None)
    columns = (
        "event_id, class_version, tenant_kind, tenant_id, actor_id, on_behalf_of, correlation_id, causation_id,"
        " traceparent, state"
    )
    query = f"SELECT {columns} FROM events JOIN stored_events ON notification_id = position ORDER BY position"
    for event_id, class_version, kind, tenant_id, *others, state in rows(database.admin_url, query):
        assert Metadata(event_id, class_version, Party(kind, tenant_id), *others) == metadata_of(state)


async def test_a_loser_does_not_fail_its_neighbours(opened: Opened, database: Database) -> None:
    stale = note()
    await opened.store.append([stale], CALL, None)
    again = Note.write(stale.id, "again")
    neighbours = [note() for _ in range(10)]
    outcomes = await asyncio.gather(
        *(opened.store.append([root], CALL, None) for root in [*neighbours[:5], again, *neighbours[5:]]),
        return_exceptions=True,
    )
    assert isinstance(outcomes[5], VersionConflict)
    assert sorted(outcome for outcome in outcomes if isinstance(outcome, int)) == list(range(2, 12))
    assert [position for (position,) in rows(database.admin_url, POSITIONS)] == list(range(1, 12))


async def test_an_append_to_several_streams_is_all_or_nothing(opened: Opened, database: Database) -> None:
    first, second = note(), note()
    await opened.store.append([first], CALL, None)
    first_again = Note.write(first.id, "again")
    with pytest.raises(VersionConflict):
        await opened.store.append([second, first_again], CALL, None)
    assert await opened.store.load(Note, second.id) is None
    assert rows(database.admin_url, "SELECT subject_id FROM data_keys") == [(first.id,)]


async def test_positions_have_no_gaps_with_two_processes_and_many_losers(database: Database) -> None:
    shared = note()
    async with open_store(database.app_url) as one, open_store(database.app_url) as other:
        await one.store.append([shared], CALL, None)

        async def work(opened: Opened, n: int) -> None:
            for _ in range(15):
                root = await opened.store.load(Note, shared.id) if n % 2 else note()
                assert root is not None
                root.extend("line")
                try:
                    await opened.store.append([root], CALL, None)
                except VersionConflict:
                    continue

        await asyncio.gather(*(work(opened, n) for opened in (one, other) for n in range(8)))
    positions = [position for (position,) in rows(database.admin_url, POSITIONS)]
    assert positions == list(range(1, len(positions) + 1))
    query = "SELECT max(originator_version) = count(*) FROM stored_events GROUP BY originator_id"
    assert all(gapless for (gapless,) in rows(database.admin_url, query))


async def test_of_two_processes_with_one_key_one_has_an_effect(database: Database) -> None:
    async with open_store(database.app_url) as one, open_store(database.app_url) as other:
        roots = [note() for _ in range(6)]
        outcomes = await asyncio.gather(
            *(
                opened.store.append([root], CALL, keyed(root))
                for root, opened in zip(roots, [one, other] * 3, strict=True)
            )
        )
    assert sorted(isinstance(outcome, StoredResponse) for outcome in outcomes) == [False, True, True, True, True, True]
    assert rows(database.admin_url, POSITIONS) == [(1,)]


async def test_two_processes_agree_on_the_key_of_an_address(database: Database) -> None:
    address_id = uuid4()
    async with open_store(database.app_url) as one, open_store(database.app_url) as other:
        roots = [note(), note()]
        for root in roots:
            root.show_to(address_id, "ada@example.org")
        await asyncio.gather(
            *(opened.store.append([root], CALL, None) for root, opened in zip(roots, [one, other], strict=True))
        )
        feed = one.feed()
        shown = [event.data for event in await feed.read(0, 10) if isinstance(event.data, Note.ShownTo)]
    assert [event.email for event in shown] == ["ada@example.org"] * 2


async def test_a_stream_with_a_gap_is_not_taken_for_whole(opened: Opened, database: Database) -> None:
    written = note()
    for n in range(5):
        written.extend(f"line {n}")
    await opened.store.append([written], CALL, None)
    rows(database.admin_url, "UPDATE stored_events SET originator_version = 99 WHERE originator_version = 3")
    for version in (None, 4):
        with pytest.raises(StreamGap):
            await opened.store.load(Note, written.id, version=version)


class Remark(Root):
    """An aggregate whose text is sealed with the key of its author."""

    TOPIC = "remark"

    class Made(FirstEvent):
        TOPIC = "remark.made"
        author_id: UUID
        text: Annotated[str, PersonalField("author_id")]

    @classmethod
    def make(cls, author_id: UUID, text: str) -> "Remark":
        tenant = Party("user", author_id)
        return cls.start_stream(cls.Made, id=uuid4(), tenant=tenant, now=NOW, author_id=author_id, text=text)


async def test_what_another_subject_has_sealed_goes_with_it_and_nothing_new_is_sealed_for_it(opened: Opened) -> None:
    """Only an address may be used again after its erasure; a person who was erased writes nothing more."""
    author = note()
    remark = Remark.make(author.id, "text")
    await opened.store.append([author, remark], CALL, None)
    author.erase()
    await opened.store.append([author], CALL, None)
    [made] = await opened.store.events([(remark.id, 1)])
    assert isinstance(made, Remark.Made)
    assert made.text == ERASED
    with pytest.raises(NotFound):
        await opened.store.append([Remark.make(author.id, "more")], CALL, None)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE stored_events SET originator_version = 99 WHERE originator_version = 2",
        "UPDATE stored_events SET state = '' WHERE originator_version = 2",
        "UPDATE stored_events SET topic = 'note.unknown' WHERE originator_version = 2",
        "UPDATE data_keys SET wrapped = ''",
        "DELETE FROM data_keys",
    ],
)
async def test_a_stream_that_cannot_be_read_says_so_whatever_the_cause(database: Database, change: str) -> None:
    written = note()
    written.extend("second")
    async with open_store(database.app_url) as before:
        await before.store.append([written], CALL, None)
    rows(database.admin_url, change)
    async with open_store(database.app_url) as opened:
        with pytest.raises(Unreadable):
            await opened.store.load(Note, written.id)


async def test_the_application_cannot_change_or_remove_events(opened: Opened, database: Database) -> None:
    await opened.store.append([note()], CALL, None)
    for statement in (
        "UPDATE stored_events SET topic = 'x'",
        "DELETE FROM stored_events",
        "TRUNCATE stored_events",
        "INSERT INTO stored_events SELECT * FROM stored_events",
        "UPDATE claims SET kind = 'x'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(database.app_url, statement)


async def test_a_stream_whose_key_is_destroyed_reads_as_erased(opened: Opened, database: Database) -> None:
    written = note("secret text")
    address_id = uuid4()
    written.show_to(address_id, "ada@example.org")
    await opened.store.append([written], CALL, keyed(written))
    destroy_keys(database.admin_url, written.id, address_id)
    async with open_store(database.app_url) as fresh:
        loaded = await fresh.store.load(Note, written.id)
        assert loaded is not None
        assert (loaded.lines, loaded.label, loaded.readers) == ([ERASED], ERASED, {address_id})
        assert [type(event.data) for event in await fresh.feed().read(0, 10)] == [Note.Written, Note.ShownTo]
        loaded.extend("more")
        with pytest.raises(NotFound):
            await fresh.store.append([loaded], CALL, None)
        with pytest.raises(NotFound):
            await fresh.store.stored_response(b"k" * 32)
        loaded.collect_events()
        loaded.show_to(uuid4(), "eve@example.org")
        with pytest.raises(NotFound):
            await fresh.store.append([loaded], CALL, keyed(loaded, key=b"n" * 32))


async def test_an_address_used_again_after_its_erasure_gets_a_new_key(opened: Opened, database: Database) -> None:
    written = note()
    address_id = uuid4()
    written.show_to(address_id, "old@example.org")
    await opened.store.append([written], CALL, None)
    destroy_keys(database.admin_url, address_id)
    async with open_store(database.app_url) as fresh:
        written.show_to(address_id, "new@example.org")
        await fresh.store.append([written], CALL, None)
        shown = [event.data for event in await fresh.feed().read(0, 10) if isinstance(event.data, Note.ShownTo)]
    assert [event.email for event in shown] == [ERASED, "new@example.org"]


async def test_what_a_new_key_sealed_does_not_pass_for_erased(opened: Opened, database: Database) -> None:
    """M1: the receipt of an erasure counts for what was sealed before it: a destroyed new key is damage."""
    written = note()
    address_id = uuid4()
    written.show_to(address_id, "old@example.org")
    await opened.store.append([written], CALL, None)
    destroy_keys(database.admin_url, address_id)
    async with open_store(database.app_url) as second:
        written.show_to(address_id, "new@example.org")
        await second.store.append([written], CALL, None)
    rows(database.admin_url, "UPDATE data_keys SET wrapped = NULL WHERE subject_id = %s", address_id)
    async with open_store(database.app_url) as fresh:
        _, old, new = await fresh.feed().read(0, 10)
        assert isinstance(old.data, Note.ShownTo)
        assert old.data.email == ERASED
        assert new.data == Undecodable("Damage")


async def test_a_sealed_field_moved_to_another_place_does_not_open(opened: Opened, database: Database) -> None:
    one, other = note("one"), note("other")
    await opened.store.append([one, other], CALL, None)
    rows(
        database.admin_url,
        "UPDATE stored_events SET state = (SELECT state FROM stored_events WHERE originator_id = %s)"
        " WHERE originator_id = %s",
        other.id,
        one.id,
    )
    [moved, intact] = await opened.feed().read(0, 10)
    assert "Erased" not in repr(moved.data)
    assert not isinstance(moved.data, Note.Written) or moved.data.text == ERASED
    assert isinstance(intact.data, Note.Written)


async def test_personal_data_is_in_no_stored_byte(opened: Opened, database: Database) -> None:
    canary = "canary-4711"
    written = Note.write(uuid4(), f"{canary} text", f"{canary}-label")
    for n in range(110):
        written.extend(f"{canary} {n}")
    written.show_to(opened.blind.address_id(f"{canary}@example.org"), f"{canary}@example.org")
    answer = structs.replace(keyed(written), answer=Copy(canary.encode()))
    await opened.store.append([written], CALL, answer)
    await opened.store.load(Note, written.id)
    await opened.store.drain()
    for table in ("stored_events", "snapshots", "claims", "data_keys", "idempotency"):
        lines = rows(database.admin_url, f"SELECT t::text FROM {table} t")
        assert lines, table
        for (line,) in lines:
            assert canary not in line
            assert canary.encode().hex() not in line
