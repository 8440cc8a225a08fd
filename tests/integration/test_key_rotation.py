"""Keys are rotated while everything runs: no request fails, nothing becomes unreadable, and the old key is refused."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from typer.testing import CliRunner, Result

from application.ports import Copy, Idempotency, Undecodable, VersionConflict
from infra.bootstrap.api import open_deps
from infra.bootstrap.write_side import WriteSide, open_write_side
from infra.cli import keys as commands
from infra.cli.doctor import doctor
from infra.errors import SetupError
from infra.progress import Progress
from infra.sealing import rotation
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.sealing.key_source import KeySource
from infra.sealing.keyring import ErasedKey
from infra.sealing.store_keys import Damage
from infra.settings.load import load
from infra.settings.model import Settings
from infra.settings.tokens import MAX_TOKEN_SECONDS
from tests.support.environment import unset_settings
from tests.support.note import NOW, Note
from tests.support.servers import Database
from tests.support.stored import by_hand
from tests.support.stores import CALL, KEK_ID, KEY_RING, destroy_keys, make_key_file, open_store, rows

DATA_KEYS = 300
STATES = "SELECT id, state, position FROM keys WHERE kind = %s ORDER BY recorded_at"


@pytest.fixture(autouse=True)
def environment(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.admin_url)
    monkeypatch.setattr("infra.bootstrap.keys.WATCH_SECONDS", 0.05)
    monkeypatch.setattr(commands, "PROPAGATION_SECONDS", 0.5)
    make_key_file(tmp_path)


@pytest.fixture
def settings(environment: None) -> Settings:
    return load()


def run(*words: str) -> Result:
    return CliRunner().invoke(commands.app, list(words))


def ring_of(settings: Settings) -> KeyRing:
    return KeySource(settings.keys).read()


@asynccontextmanager
async def appending(core: WriteSide) -> AsyncIterator[list[Note]]:
    """Append notes all the time; a failed append fails the test."""
    written: list[Note] = []

    async def append() -> None:
        while True:
            written.append(await stored(core))
            await asyncio.sleep(0.002)

    task = asyncio.create_task(append())
    yield written
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def stored(core: WriteSide) -> Note:
    note = Note.write(uuid4(), "text")
    await core.store.append([note], CALL, None)
    return note


async def texts(core: WriteSide, notes: list[Note]) -> set[str]:
    """What the notes say, loaded and read from the log."""
    for note in notes:
        core.keyring.cache.drop(note.id)
    loaded = [await core.store.load(Note, note.id) for note in notes]
    read = [event.data for event in await core.feed().read(0, 10_000)]
    return {line for note in loaded if note for line in note.lines} | {
        each.text if isinstance(each, Note.Written) else repr(each) for each in read
    }


async def test_data_keys_are_wrapped_again_while_appends_run(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """H6: kek_id was never read, so a key-encryption key could not be replaced."""
    monkeypatch.setattr(rotation, "BATCH", 20)
    async with open_write_side(settings, "api") as core:
        before = [await stored(core) for _ in range(DATA_KEYS)]
        with monkeypatch.context() as patched:
            patched.setattr(commands, "progress_bar", stopping_after_three_batches)
            async with appending(core) as during:
                assert (await asyncio.to_thread(run, "rotate", "key-encryption")).exit_code != 0
        ids = "SELECT DISTINCT kek_id FROM data_keys"
        assert len(rows(database.admin_url, ids)) == 2
        assert not await asyncio.to_thread(doctor)
        assert "palimpsest keys rotate key-encryption" in capsys.readouterr().out
        async with appending(core) as later:
            assert (await asyncio.to_thread(run, "rotate", "key-encryption")).exit_code == 0
        new = ring_of(settings).current(KeyKind.KEY_ENCRYPTION).id
        assert new != KEK_ID
        assert rows(database.admin_url, ids) == [(new,)]
        assert await texts(core, [*before, *during, *later]) == {"text"}
    assert rows(database.admin_url, STATES, "key-encryption") == [(KEK_ID, "retired", None), (new, "current", None)]
    assert [key.id for key in ring_of(settings).of(KeyKind.KEY_ENCRYPTION)] == [new]


def stopping_after_three_batches(what: str) -> Any:
    batches: list[int] = []

    class Bar:
        def __enter__(self) -> Progress:
            def progress(done: int, goal: int) -> None:
                batches.append(done)
                if len(batches) == 3:
                    raise KeyboardInterrupt

            return progress

        def __exit__(self, *_: object) -> None: ...

    return Bar()


async def test_a_process_with_a_retired_key_encryption_key_stores_nothing(
    settings: Settings, database: Database
) -> None:
    """H6: the old key is refused after a rotation."""
    async with open_write_side(settings, "api") as core:
        await stored(core)
    assert run("rotate", "key-encryption").exit_code == 0
    async with open_store(database.app_url) as straggler:
        with pytest.raises(VersionConflict):
            await straggler.store.append([Note.write(uuid4(), "text")], CALL, None)
    assert rows(database.admin_url, "SELECT count(*) FROM stored_events") == [(1,)]


def while_it_waits(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], None], now: Callable[[], float] = time.time
) -> None:
    """Let a rotation do this work in place of each wait for the processes."""
    monkeypatch.setattr(commands, "time", SimpleNamespace(time=now, sleep=lambda _: work()))


@pytest.mark.parametrize("kind", [KeyKind.KEY_ENCRYPTION, KeyKind.STORE])
async def test_of_two_rotations_at_the_same_time_one_is_refused(settings: Settings, kind: KeyKind) -> None:
    """Both wrote a key document of their own and said `complete`, and one of the new keys was lost."""
    async with open_write_side(settings, "api") as core:
        notes = [await stored(core) for _ in range(20)]
        rotations = [asyncio.to_thread(commands.rotate, kind) for _ in range(2)]
        done = await asyncio.gather(*rotations, return_exceptions=True)
        assert sorted(map(str, done)) == ["Another rotation of a key is running. Wait until it has ended.", "None"]
    async with open_write_side(settings, "api") as again:
        assert await texts(again, notes) == {"text"}


async def test_a_document_that_is_changed_meanwhile_stops_a_rotation(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another hand has written is not overwritten, and the keys of this rotation are not used without it."""
    while_it_waits(monkeypatch, lambda: KeySource(settings.keys).write(KEY_RING))
    async with open_write_side(settings, "api") as core:
        note = await stored(core)
        with pytest.raises(SetupError, match="was changed during the rotation"):
            await asyncio.to_thread(commands.rotate, KeyKind.KEY_ENCRYPTION)
        assert ring_of(settings) == KEY_RING
        assert await texts(core, [note]) == {"text"}


@pytest.mark.parametrize("name", ["nonsense", "the id of the new key"])
async def test_the_earlier_key_stays_while_a_data_key_does_not_open(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Who could write the database, and no key, made a data key look damaged: it was lost with the earlier key."""
    change = "UPDATE data_keys SET kek_id = %s WHERE subject_id = %s"
    async with open_write_side(settings, "api") as core:
        hidden, sound = await stored(core), await stored(core)

        def hide() -> None:
            new = ring_of(settings).next(KeyKind.KEY_ENCRYPTION)
            if new is not None:
                rows(database.admin_url, change, "nonsense" if name == "nonsense" else new.id, hidden.id)

        with monkeypatch.context() as patched:
            while_it_waits(patched, hide)
            stopped = await asyncio.to_thread(run, "rotate", "key-encryption")
        assert stopped.exit_code == 1
        assert f"do not open: 1, of the subjects {hidden.id}." in stopped.output
        assert [key.id for key in ring_of(settings).earlier(KeyKind.KEY_ENCRYPTION)] == [KEK_ID]
        assert rows(database.admin_url, STATES, "key-encryption")[0] == (KEK_ID, "retired", None)
        assert await core.store.load(Note, sound.id)
        rows(database.admin_url, change, KEK_ID, hidden.id)
        done = await asyncio.to_thread(run, "rotate", "key-encryption")
        assert (done.exit_code, "complete" in done.output) == (0, True)
        assert ring_of(settings).earlier(KeyKind.KEY_ENCRYPTION) == []
    async with open_write_side(settings, "api") as again:
        assert await texts(again, [hidden, sound]) == {"text"}


async def test_an_answer_without_events_under_a_retired_store_key_is_refused(
    settings: Settings, database: Database
) -> None:
    """H6: the tag of events was looked at, and the tag of answers was not."""
    async with open_write_side(settings, "api") as core:
        note = await stored(core)
    assert run("rotate", "store").exit_code == 0
    repeated = Idempotency(b"k" * 32, b"f" * 32, note.id, note.id, note.version, NOW, None)
    async with open_store(database.app_url) as straggler:
        with pytest.raises(VersionConflict):
            await straggler.store.append([note], CALL, repeated)
    assert rows(database.admin_url, "SELECT key FROM idempotency") == []


async def test_a_data_key_that_never_opens_does_not_stop_the_others(settings: Settings, database: Database) -> None:
    async with open_write_side(settings, "api") as core:
        damaged, sound = await stored(core), await stored(core)
        rows(database.admin_url, "UPDATE data_keys SET wrapped = '' WHERE subject_id = %s", damaged.id)
        assert (await asyncio.to_thread(run, "rotate", "key-encryption")).exit_code == 1
        assert await core.store.load(Note, sound.id)
    KeySource(settings.keys).write(ring_of(settings).without_earlier(KeyKind.KEY_ENCRYPTION))
    async with open_write_side(settings, "api") as again:
        assert await again.store.load(Note, sound.id)


async def test_events_stay_valid_over_a_rotation_of_the_store_key(settings: Settings, database: Database) -> None:
    async with open_write_side(settings, "api") as core:
        before = [await stored(core) for _ in range(20)]
        first = before[0]
        answer = Copy(b"answer")
        repeated = Idempotency(b"k" * 32, b"f" * 32, first.id, first.id, first.version, NOW, answer)
        await core.store.append([before[0]], CALL, repeated)
        erased = await stored(core)
        destroy_keys(database.admin_url, erased.id)
        core.keyring.cache.drop(erased.id)
        async with appending(core) as during:
            assert (await asyncio.to_thread(run, "rotate", "store")).exit_code == 0
        assert isinstance(await core.keyring.get(erased.id), ErasedKey)
        response = await core.store.stored_response(repeated.key)
        assert response is not None
        assert response.answer == answer
        assert await texts(core, [*before, *during]) == {"text", "[erased]"}
    earlier, current = rows(database.admin_url, STATES, "store")
    [old] = ring_of(settings).earlier(KeyKind.STORE)
    assert (earlier, current[1]) == ((old.id, "retired", old.until), "current")
    async with open_write_side(settings, "api") as again:
        assert await texts(again, before) == {"text", "[erased]"}


async def test_what_the_old_store_key_stamps_after_its_rotation_is_damage(
    settings: Settings, database: Database
) -> None:
    """H6: who holds a rotated store key cannot add events with it."""
    async with open_write_side(settings, "api") as core:
        await stored(core)
        await asyncio.to_thread(run, "rotate", "store")
        await core.guard.require(again=True)
        note = UUID(int=1)
        forged = by_hand("note.written", note, 1, {"timestamp": datetime.now(UTC), "author_id": uuid4()})
        insert = "INSERT INTO stored_events VALUES (%s, 1, 'note.written', %s, 2, now())"
        rows(database.admin_url, insert, note, forged)
        sound, damaged = await core.feed().read(0, 10)
        assert isinstance(sound.data, Note.Written)
        assert damaged.data == Undecodable("Damage")
        with pytest.raises(Damage):
            await core.store.load(Note, note)
        destroy_keys(database.admin_url, sound.stream_id)
        core.keyring.cache.drop(sound.stream_id)
        assert (await core.feed().read(0, 1))[0].data == Undecodable("Damage")
    async with open_store(database.app_url) as straggler:
        with pytest.raises(VersionConflict):
            await straggler.store.append([Note.write(uuid4(), "text")], CALL, None)


@pytest.mark.parametrize("kind", ["store", "key-encryption"])
async def test_appends_do_not_wait_while_what_is_stored_is_made_independent_of_a_key(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Receipts, snapshots and data keys were read under the lock of appends: with many of them, appends failed."""
    locked: list[bytes | str] = []
    execute = psycopg.Connection.execute

    def look(connection: psycopg.Connection, query: str, *arguments: Any) -> Any:
        if connection.info.transaction_status is TransactionStatus.INTRANS and "SELECT pg_advisory" not in query:
            locked.append(query)
        return execute(connection, query, *arguments)

    async with open_write_side(settings, "api") as core:
        destroy_keys(database.admin_url, (await stored(core)).id)
        await stored(core)
    monkeypatch.setattr(psycopg.Connection, "execute", look)
    assert run("rotate", kind).exit_code == 0
    assert [query for query in locked if "UPDATE keys" in query]
    assert [query for query in locked if "data_keys" in query or "snapshots" in query] == []


async def test_a_rotation_of_the_store_key_removes_the_snapshots_under_the_earlier_one(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    insert = "INSERT INTO snapshots SELECT %s, n, 'note', '\\x01'::bytea || %s, 1 FROM generate_series(1, 5) AS n"

    def add() -> None:
        ring = ring_of(settings)
        for n, key in enumerate(ring.of(KeyKind.STORE)):
            rows(database.admin_url, insert, UUID(int=n), bytes.fromhex(key.id))

    async with open_write_side(settings, "api"):
        pass
    while_it_waits(monkeypatch, lambda: None if rows(database.admin_url, "SELECT 1 FROM snapshots") else add())
    assert run("rotate", "store").exit_code == 0
    assert rows(database.admin_url, "SELECT originator_id FROM snapshots") == [(UUID(int=1),)] * 5


async def test_a_receipt_under_a_retired_store_key_is_not_stamped_again(settings: Settings, database: Database) -> None:
    """The next rotation made good receipts of what the holder of a retired store key had planted."""
    async with open_write_side(settings, "api") as core:
        note = await stored(core)
    assert run("rotate", "store").exit_code == 0
    destroy_keys(database.admin_url, note.id)
    assert run("rotate", "store").exit_code == 0
    async with open_write_side(settings, "api") as again:
        assert (await again.feed().read(0, 1))[0].data == Undecodable("Damage")


async def test_nobody_is_logged_out_by_a_rotation_of_the_signing_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_deps(settings) as deps:
        before = deps.tokens.issue(UUID(int=1), UUID(int=2))
        assert (await asyncio.to_thread(run, "rotate", "signing")).exit_code == 0
        await asyncio.sleep(0.3)
        after = deps.tokens.issue(UUID(int=1), UUID(int=2))
        assert deps.tokens.identify(before).user_id == deps.tokens.identify(after).user_id
        current = ring_of(settings).current(KeyKind.SIGNING).id
        assert [key["kid"] for key in deps.tokens.jwks()["keys"]] == [current, "signing"]


@pytest.mark.parametrize("source", ["file", "variable"])
async def test_tokens_of_the_earlier_signing_key_last_their_whole_life(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """Its limit was counted from the step before, while processes went on signing with it."""
    async with open_write_side(settings, "api"):
        pass
    later = time.time()

    def pass_a_day() -> None:
        nonlocal later
        later += 86_400

    while_it_waits(monkeypatch, pass_a_day, lambda: later)
    if source == "file":
        assert run("rotate", "signing").exit_code == 0
    else:
        monkeypatch.setenv("PALIMPSEST_KEYS", KEY_RING.document())
        while "complete" not in (done := run("rotate", "signing")).stderr:
            monkeypatch.setenv("PALIMPSEST_KEYS", done.stdout)
            pass_a_day()
        monkeypatch.setenv("PALIMPSEST_KEYS", done.stdout)
    [earlier] = ring_of(load()).earlier(KeyKind.SIGNING)
    assert earlier.until == int(later) + MAX_TOKEN_SECONDS
    assert run("rotate", "signing").exit_code == 0


async def test_keys_from_a_variable_are_rotated_in_steps(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PALIMPSEST_KEYS", KEY_RING.document())
    async with open_write_side(load(), "api") as core:
        await stored(core)
    outputs = []
    for _ in range(3):
        done = run("rotate", "key-encryption")
        assert done.exit_code == 0, done.output
        outputs.append(done.stderr)
        monkeypatch.setenv("PALIMPSEST_KEYS", done.stdout)
        async with open_write_side(load(), "api") as core:
            await stored(core)
    assert ["complete" in output for output in outputs] == [False, False, True]
    assert len(rows(database.admin_url, "SELECT DISTINCT kek_id FROM data_keys")) == 1


@pytest.mark.parametrize("kind", [KeyKind.KEY_ENCRYPTION, KeyKind.STORE, KeyKind.SIGNING])
async def test_a_rotation_before_the_first_start_leaves_keys_that_fit(settings: Settings, kind: KeyKind) -> None:
    """The key before it was not on record: with it in the document, no process would start."""
    assert run("rotate", kind).exit_code == 0
    async with open_write_side(settings, "api") as core:
        assert await texts(core, [await stored(core)]) == {"text"}


def test_the_blind_index_key_cannot_be_rotated() -> None:
    done = run("rotate", "blind-index")
    assert "cannot be rotated" in str(done.exception)


async def test_the_list_shows_states_and_no_secrets(settings: Settings) -> None:
    async with open_write_side(settings, "api") as core:
        await stored(core)
    output = run("list").output
    assert "current" in output
    assert not any(entry in output for entry in KEY_RING.document().split('"secret": "')[1:])
