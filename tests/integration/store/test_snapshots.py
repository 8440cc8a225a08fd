"""Snapshots on a real PostgreSQL: any version loads quickly, and a forged snapshot has no effect."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from domain.billing.subscription import Subscription
from domain.kernel import ERASED, Party
from infra.bootstrap.write_side import load_use_cases, utc_now
from infra.sealing.damage import damage_counter as damage
from infra.sealing.store_keys import Damage, StoreKeys
from infra.store import snapshots, stream_reader
from infra.store.snapshot_codec import SnapshotLabel, encode_snapshot, pack
from infra.store.stream_reader import PAGE_BYTES, SHARED_BYTES, StoredEvent
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, destroy_keys, open_store, rows

VERSIONS = "SELECT originator_version FROM snapshots WHERE originator_id = %s ORDER BY originator_version"


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    load_use_cases()
    async with open_store(database.app_url) as opened:
        yield opened


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals of five events, of ten at most for snapshots that are kept."""
    monkeypatch.setattr(snapshots, "INTERVAL_EVENTS", 5)
    monkeypatch.setattr(snapshots, "MAX_INTERVAL_EVENTS", 10)
    monkeypatch.setattr(stream_reader, "PAGE_EVENTS", 5)
    monkeypatch.setattr(stream_reader, "SHARED_EVENTS", 8)


async def stored_note(opened: Opened, lines: int, size: int = 0) -> Note:
    """A stored note with so many lines, all but the first of about `size` characters."""
    note = Note.write(uuid4(), "first")
    for n in range(1, lines):
        note.extend(f"{n}".ljust(size, "-"))
        if n % 20 == 0:
            await opened.store.append([note], CALL, None)
    await opened.store.append([note], CALL, None)
    return note


async def loaded(opened: Opened, note: Note, version: int | None = None) -> Note:
    """The note, after its snapshots are written."""
    found = await opened.store.load(Note, note.id, version=version)
    await opened.store.drain()
    assert found is not None
    assert found.version == (version or note.version)
    assert found.lines == note.lines[: found.version]
    return found


def versions(database: Database, note: Note) -> list[int]:
    return [version for (version,) in rows(database.admin_url, VERSIONS, note.id)]


def events_read(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> list[StoredEvent]:
    """The events that loads by pages read from now on."""
    reader, read = opened.store._loader._reader, list[StoredEvent]()
    page = reader._page

    async def counted(id: UUID, after: int, last: int) -> list[StoredEvent]:
        events = await page(id, after, last)
        read.extend(events)
        return events

    monkeypatch.setattr(reader, "_page", counted)
    return read


@pytest.mark.usefixtures("short")
async def test_any_version_replays_at_most_one_interval(
    opened: Opened, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = await stored_note(opened, 33)
    await loaded(opened, note, 33)
    read = events_read(monkeypatch, opened)
    for version in range(1, 34):
        read.clear()
        await loaded(opened, note, version)
        assert len(read) <= 10
    assert await opened.store.load(Note, note.id, version=34) is None


@pytest.mark.usefixtures("short")
async def test_a_load_of_an_earlier_version_leaves_the_missing_snapshots_behind(
    opened: Opened, database: Database
) -> None:
    note = await stored_note(opened, 33, size=400)
    await loaded(opened, note, 18)
    assert versions(database, note) == [10]
    await loaded(opened, note)
    assert versions(database, note) == [10, 20, 30]


async def test_the_next_load_starts_at_the_snapshot_of_a_long_stream(opened: Opened, database: Database) -> None:
    note = Note.write(uuid4(), "first")
    for n in range(120):
        note.extend(f"line {n}")
    note.show_to(uuid4(), "ada@example.org")
    await opened.store.append([note], CALL, None)
    replayed = await loaded(opened, note)
    assert versions(database, note) == [122]
    note.extend("after the snapshot")
    await opened.store.append([note], CALL, None)
    again = await loaded(opened, note)
    assert again == note
    assert (again.readers, again.seen) == (replayed.readers, replayed.seen)
    assert getattr(again, "tenant", None) == getattr(replayed, "tenant", None)


@pytest.mark.usefixtures("short")
async def test_a_snapshot_not_worth_its_bytes_makes_room_for_the_next(opened: Opened, database: Database) -> None:
    note = Note.write(uuid4(), "first" * 1000)
    kept = []
    for _ in range(5):
        for n in range(5):
            note.extend(f"{n}")
        await opened.store.append([note], CALL, None)
        await loaded(opened, note)
        kept.append(versions(database, note))
    assert kept == [[6], [11], [11, 16], [11, 21], [11, 21, 26]]


async def test_a_large_stream_is_read_in_pages_of_few_bytes(
    opened: Opened, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H3: no page of a load has more bytes than its bound and one event."""
    note = await stored_note(opened, 40, size=PAGE_BYTES // 7)
    pages = [page async for page in opened.store._loader._reader.history(note.id)]
    assert [event[0] for page in pages for event in page] == list(range(1, 41))
    assert max(sum(len(state) for _, _, state, _ in page) for page in pages) < PAGE_BYTES * 8 / 7
    stream = await opened.store._loader._reader.stream(note.id)
    assert not stream.complete
    assert stream.events == pages[0][:1]
    await loaded(opened, note)
    for version in (None, 1, 20, 39):
        await loaded(opened, note, version)


async def test_a_large_snapshot_is_not_read_in_a_query_that_others_share(opened: Opened, database: Database) -> None:
    """H3"""
    note = await stored_note(opened, 101, size=SHARED_BYTES // 50)
    await loaded(opened, note)
    stream = await opened.store._loader._reader.stream(note.id)
    assert (stream.complete, stream.snapshot, stream.events) == (False, None, [])
    await loaded(opened, note)


async def test_a_forged_snapshot_has_no_effect(opened: Opened, database: Database) -> None:
    """M2: a plan that is in no event is not believed; the forged snapshot is counted, logged once, and removed."""
    subscription = Subscription.start(payer=Party("user", uuid4()), now=utc_now())
    await opened.store.append([subscription], CALL, None)
    forged = await opened.store.load(Subscription, subscription.id)
    assert forged is not None
    forged.plan = "enterprise"
    label = SnapshotLabel(forged.id, forged.version, "subscription", forged.snapshot_version)
    stored = encode_snapshot(label, pack(forged), None, StoreKeys(bytes(32)))
    plant(database, label, stored)
    before = damage.labels("snapshot")._value.get()
    with capture_logs() as lines:
        for _ in range(2):
            found = await opened.store.load(Subscription, subscription.id)
            assert found is not None
            assert found.plan == "free"
            await opened.store.drain()
    assert damage.labels("snapshot")._value.get() == before + 1
    [line] = lines
    assert line == {
        "event": "stored bytes are damaged",
        "log_level": "error",
        "kind": "snapshot",
        "stream_id": str(subscription.id),
        "version": 1,
        "reason": "the store key is not known",
    }
    assert rows(database.admin_url, "SELECT FROM snapshots") == []


TAMPERINGS = {
    "flipped": "UPDATE snapshots SET state = set_bit(state, 200, 1 - get_bit(state, 200))",
    "truncated": "UPDATE snapshots SET state = substr(state, 1, octet_length(state) - 1)",
    "empty": "UPDATE snapshots SET state = ''",
    "relabelled": "UPDATE snapshots SET topic = 'subscription'",
    "reshaped": "UPDATE snapshots SET snapshot_version = 2",
    "reversioned": "UPDATE snapshots SET originator_version = originator_version - 1",
    "swapped": "UPDATE snapshots SET state = (SELECT state FROM snapshots s WHERE s.originator_id <> snapshots."
    "originator_id)",
    "an event": "UPDATE snapshots SET state = (SELECT state FROM stored_events s WHERE s.originator_id = snapshots."
    "originator_id AND s.originator_version = snapshots.originator_version)",
}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=TAMPERINGS)
async def test_a_snapshot_that_was_tampered_with_is_found_and_replaced(
    opened: Opened, database: Database, statement: str
) -> None:
    """M2"""
    notes = [await stored_note(opened, 7) for _ in range(2)]
    for note in notes:
        await loaded(opened, note)
    before = damage.labels("snapshot")._value.get()
    rows(database.admin_url, statement)
    for note in notes:
        await loaded(opened, note)
    assert damage.labels("snapshot")._value.get() == before + 2
    for note in notes:
        await loaded(opened, note)
        await loaded(opened, note, 6)
    assert damage.labels("snapshot")._value.get() == before + 2


@pytest.mark.usefixtures("short")
async def test_an_event_cannot_be_replaced_by_a_snapshot(opened: Opened, database: Database) -> None:
    """M2"""
    note = await stored_note(opened, 7)
    await loaded(opened, note)
    rows(
        database.admin_url,
        "UPDATE stored_events SET state = (SELECT state FROM snapshots) WHERE originator_version = 7",
    )
    [*_, event] = await opened.feed().read(0, 10)
    assert not isinstance(event.data, Note.Extended)


@pytest.mark.usefixtures("short")
async def test_a_damaged_snapshot_is_skipped_for_the_one_before(
    opened: Opened, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M2"""
    note = await stored_note(opened, 33, size=400)
    await loaded(opened, note)
    rows(database.admin_url, "UPDATE snapshots SET state = '' WHERE originator_version = 30")
    read = events_read(monkeypatch, opened)
    await loaded(opened, note, 33)
    assert [version for version, *_ in read] == list(range(21, 34))
    assert versions(database, note) == [10, 20, 30]


async def test_a_snapshot_of_an_older_shape_is_ignored_and_replaced(
    opened: Opened, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = "SELECT originator_version, snapshot_version FROM snapshots"
    note = await stored_note(opened, 121)
    await loaded(opened, note)
    assert rows(database.admin_url, shapes) == [(121, 1)]
    monkeypatch.setattr(Note, "snapshot_version", 2)
    await loaded(opened, note)
    assert rows(database.admin_url, shapes) == [(121, 2)]
    monkeypatch.setattr(Note, "snapshot_version", 1)
    await loaded(opened, note)
    assert rows(database.admin_url, shapes) == [(121, 2)]


@pytest.mark.usefixtures("short")
async def test_a_snapshot_under_an_erased_key_is_not_used_and_removed(opened: Opened, database: Database) -> None:
    note = await stored_note(opened, 7)
    await loaded(opened, note)
    assert versions(database, note) == [7]
    destroy_keys(database.admin_url, note.id)
    async with open_store(database.app_url) as fresh:
        found = await fresh.store.load(Note, note.id)
        assert found is not None
        assert found.lines == [ERASED] * 7
        await fresh.store.drain()
    assert versions(database, note) == []


@pytest.mark.usefixtures("short")
async def test_a_damaged_data_key_is_not_taken_for_an_erased_one(opened: Opened, database: Database) -> None:
    note = await stored_note(opened, 7)
    await loaded(opened, note)
    rows(database.admin_url, "UPDATE data_keys SET wrapped = set_bit(wrapped, 200, 1 - get_bit(wrapped, 200))")
    async with open_store(database.app_url) as fresh:
        with pytest.raises(Damage):
            await fresh.store.load(Note, note.id)
    assert versions(database, note) == [7]


@pytest.mark.usefixtures("short")
async def test_a_load_does_not_wait_for_its_snapshot_and_does_not_fail_with_it(
    opened: Opened, database: Database
) -> None:
    note = await stored_note(opened, 7)
    rows(database.admin_url, "REVOKE INSERT ON snapshots FROM palimpsest_api, palimpsest_relay, palimpsest_worker")
    with capture_logs() as lines:
        await loaded(opened, note)
    assert [line["event"] for line in lines] == ["snapshot not written"]


def plant(database: Database, label: SnapshotLabel, stored: bytes) -> None:
    rows(
        database.app_url,
        "INSERT INTO snapshots (originator_id, originator_version, topic, state, snapshot_version)"
        " VALUES (%s, %s, %s, %s, %s)",
        label.stream_id,
        label.version,
        label.topic,
        stored,
        label.shape,
    )
