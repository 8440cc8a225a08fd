"""Keys are rotated while everything runs: no request fails, nothing becomes unreadable, and the old key is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from application.ports import Copy, Idempotency, Undecodable, VersionConflict
from infra.bootstrap.api import open_deps
from infra.bootstrap.write_side import WriteSide, open_write_side
from infra.cli import keys as commands
from infra.cli.doctor import doctor
from infra.progress import Progress
from infra.sealing import rotation
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.sealing.key_source import KeySource
from infra.sealing.keyring import ERASED_KEY
from infra.sealing.receipts import receipt
from infra.sealing.store_keys import Damage
from infra.settings.load import load
from infra.settings.model import Settings
from tests.support.environment import unset_settings
from tests.support.note import NOW, Note
from tests.support.servers import Database
from tests.support.stored import by_hand
from tests.support.stores import CALL, KEK_ID, KEY_RING, STAMPS, destroy_keys, make_key_file, open_store, rows

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
            patched.setattr(commands, "_bar", stopping_after_three_batches)
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


async def test_a_damaged_data_key_does_not_stop_a_rotation(settings: Settings, database: Database) -> None:
    async with open_write_side(settings, "api") as core:
        damaged, sound = await stored(core), await stored(core)
        rows(database.admin_url, "UPDATE data_keys SET wrapped = '' WHERE subject_id = %s", damaged.id)
        done = await asyncio.to_thread(run, "rotate", "key-encryption")
        assert (done.exit_code, "1 data keys do not open" in done.output) == (0, True)
        assert await core.store.load(Note, sound.id)


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
        assert await core.keyring.get(erased.id) is ERASED_KEY
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
        note = UUID(int=1)
        forged = by_hand("note.written", note, 1, {"timestamp": datetime.now(UTC), "author_id": uuid4()})
        insert = "INSERT INTO stored_events VALUES (%s, 1, 'note.written', %s, 2, now())"
        rows(database.admin_url, insert, note, forged)
        sound, damaged = await core.feed().read(0, 10)
        assert isinstance(sound.data, Note.Written)
        assert damaged.data == Undecodable("Damage")
        with pytest.raises(Damage):
            await core.store.load(Note, note)
        rows(
            database.admin_url,
            "UPDATE data_keys SET wrapped = NULL, erased_at = %s, receipt = %s",
            now := datetime.now(UTC),
            receipt(STAMPS, sound.stream_id, now),
        )
        core.keyring.cache.drop(sound.stream_id)
        assert (await core.feed().read(0, 1))[0].data == Undecodable("Damage")
    async with open_store(database.app_url) as straggler:
        with pytest.raises(VersionConflict):
            await straggler.store.append([Note.write(uuid4(), "text")], CALL, None)


async def test_nobody_is_logged_out_by_a_rotation_of_the_signing_key(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_deps(settings) as deps:
        before = deps.tokens.issue(UUID(int=1), None)
        assert (await asyncio.to_thread(run, "rotate", "signing")).exit_code == 0
        await asyncio.sleep(0.3)
        after = deps.tokens.issue(UUID(int=1), None)
        assert deps.tokens.identify(before).user_id == deps.tokens.identify(after).user_id
        current = ring_of(settings).current(KeyKind.SIGNING).id
        assert [key["kid"] for key in deps.tokens.jwks()["keys"]] == [current, "signing"]


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


def test_the_blind_index_key_cannot_be_rotated() -> None:
    done = run("rotate", "blind-index")
    assert "cannot be rotated" in str(done.exception)


async def test_the_list_shows_states_and_no_secrets(settings: Settings) -> None:
    async with open_write_side(settings, "api") as core:
        await stored(core)
    output = run("list").output
    assert "current" in output
    assert not any(entry in output for entry in KEY_RING.document().split('"secret": "')[1:])
