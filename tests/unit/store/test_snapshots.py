"""When a snapshot is due, when an older one is worth its bytes, and how many wait to be written."""

from typing import Any, cast
from uuid import UUID

from infra.postgres.database import Database
from infra.sealing.keyring import DataKey, StoredKey
from infra.store.snapshots import DELETE_ALL, INSERT, MAX_PENDING_BYTES, Interval, Snapshots
from infra.store.stream_reader import StoredEvent, StoredSnapshot
from tests.support.note import Note
from tests.support.stores import keyring_of

KB, MB = 1_000, 1_000_000


def interval(events: int, size: int, snapshot: int = 0) -> Interval:
    """So many events of `size` bytes after a snapshot of `snapshot` bytes."""
    after = Interval.after(StoredSnapshot(1, "note", bytes(snapshot), 1) if snapshot else None)
    stored: list[StoredEvent] = [(1, "note.extended", bytes(size), 1)] * events
    after.add(stored)
    return after


def test_small_edits_of_a_small_text_leave_a_snapshot_after_100_events() -> None:
    assert not interval(99, 300, 3 * KB).may_be_due()
    assert interval(100, 300, 3 * KB).is_due(3 * KB)
    assert interval(100, 300, 3 * KB).is_worth(3 * KB)


def test_a_large_text_written_again_and_again_leaves_a_snapshot_for_two_of_its_size() -> None:
    assert not interval(1, MB, MB).is_due(MB)
    assert interval(2, MB, MB).is_due(MB)
    assert interval(2, MB, MB).is_worth(MB)


def test_a_few_large_events_of_a_small_state_leave_one_too() -> None:
    assert not interval(2, 100 * KB, KB).may_be_due()
    assert interval(3, 100 * KB, KB).is_due(KB)


def test_small_edits_of_a_large_text_leave_one_sooner_but_not_for_good() -> None:
    assert not interval(19, 100, MB).may_be_due()
    assert interval(20, 100, MB).may_be_due()
    assert interval(20, 100, MB).is_due(MB)
    assert not interval(249, 100, MB).is_worth(MB)
    assert interval(250, 100, MB).is_worth(MB)


class NoDatabase:
    """Keeps the statements."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    async def rows(self, query: str, params: Any) -> list[Any]:
        self.statements.append(query)
        return []


async def no_keys(_: list[UUID]) -> dict[UUID, StoredKey]:
    return {}


async def test_snapshots_are_written_once_and_wait_in_bounded_memory() -> None:
    database, keyring = NoDatabase(), keyring_of(no_keys)
    snapshots = Snapshots(cast(Database, database), keyring)
    notes = [Note.write(UUID(int=n), "x" * (MAX_PENDING_BYTES // 2)) for n in range(4)]
    for note in notes:
        keyring.cache.add(note.id, DataKey(bytes(32)), keyring.cache.drops)
    kept = [snapshots.keep(note, interval(100, 300), newest=True) for note in [notes[0], *notes]]
    assert [after.events for after in kept] == [0, 0, 0, 100, 100]
    await snapshots.drain()
    assert database.statements == [INSERT] * 2
    assert snapshots.keep(notes[3], interval(100, 300), newest=True).events == 0
    await snapshots.drain()


async def test_the_interval_after_a_snapshot_knows_its_size() -> None:
    """A few small edits after it are due then, as after one that was read from the database."""
    keyring = keyring_of(no_keys)
    snapshots = Snapshots(cast(Database, NoDatabase()), keyring)
    keyring.cache.add(UUID(int=1), DataKey(bytes(32)), keyring.cache.drops)
    after = snapshots.keep(Note.write(UUID(int=1), "x" * MB), interval(250, 300), newest=False)
    assert not after.may_be_due()
    after.add([(1, "note.extended", bytes(100), 1)] * 20)
    assert after.may_be_due()
    await snapshots.drain()


class Waiting:
    """Snapshots of two notes that wait to be written; the writer has not begun."""

    def __init__(self) -> None:
        self.database, self.keyring = NoDatabase(), keyring_of(no_keys)
        self.snapshots = Snapshots(cast(Database, self.database), self.keyring)
        self.notes = [Note.write(UUID(int=n), "x") for n in (1, 2)]
        for note in self.notes:
            self.keyring.cache.add(note.id, DataKey(bytes(32)), self.keyring.cache.drops)
            self.snapshots.keep(note, interval(100, 300), newest=True)


async def test_h7_no_snapshot_is_written_and_no_state_kept_once_its_key_is_erased() -> None:
    waiting = Waiting()
    waiting.snapshots.drop(waiting.notes[0].id)
    assert len(waiting.snapshots._jobs) == len(waiting.snapshots._pending) == 1
    await waiting.snapshots.drain()
    assert waiting.database.statements == [INSERT]
    assert waiting.snapshots._pending_bytes == 0


async def test_h7_without_a_lease_no_state_is_kept() -> None:
    waiting = Waiting()
    waiting.snapshots.drop(None)
    await waiting.snapshots.drain()
    assert waiting.database.statements == []
    assert (waiting.snapshots._pending, waiting.snapshots._pending_bytes) == (set(), 0)


async def test_h7_a_snapshot_that_was_just_written_is_deleted_when_its_key_is_erased() -> None:
    """It may have been stored after the erasure had deleted those that were there."""
    waiting = Waiting()
    await waiting.snapshots.drain()
    waiting.snapshots.drop(waiting.notes[1].id)
    waiting.snapshots.drop(UUID(int=3))
    await waiting.snapshots.drain()
    assert waiting.database.statements == [INSERT, INSERT, DELETE_ALL]


async def test_h7_a_state_is_not_sealed_with_a_key_that_is_no_longer_in_memory() -> None:
    waiting = Waiting()
    waiting.keyring.cache.drop(waiting.notes[0].id)
    await waiting.snapshots.drain()
    assert waiting.database.statements == [INSERT]


def test_personal_data_is_in_no_snapshot_without_a_key() -> None:
    keyring = keyring_of(no_keys)
    snapshots = Snapshots(cast(Database, NoDatabase()), keyring)
    assert snapshots.keep(Note.write(UUID(int=1), "text"), interval(100, 300), newest=True).events == 100
