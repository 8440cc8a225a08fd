"""A process whose keys are not those of its database refuses to serve, and says which key is wrong."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from application.ports import Unavailable
from infra.bootstrap.api import open_deps
from infra.bootstrap.keys import KeyGuard
from infra.bootstrap.lifetime import ended_by
from infra.bootstrap.write_side import open_write_side
from infra.cli.doctor import doctor
from infra.sealing.check_values import COMPARED, SELECT_KEYS, WrongKey, values_of
from infra.sealing.key_ring import KeyKind, KeyRing, RingKey
from infra.sealing.key_source import KeySource
from infra.sealing.process_keys import ProcessKeys
from infra.settings.keys import KeySettings
from infra.settings.load import load
from tests.support.environment import unset_settings
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stores import CALL, KEY_RING, rows

ROLES = ("api", "projector", "worker")


@pytest.fixture(autouse=True)
async def recorded(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that has seen the right keys."""
    unset_settings(monkeypatch)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PALIMPSEST_METRICS_PORT", "0")
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.admin_url)
    monkeypatch.setenv("PALIMPSEST_KEYS", KEY_RING.document())
    async with open_write_side(load(), "api"):
        pass


def wrong(kind: KeyKind) -> KeyRing:
    """The right keys but one, whose id is right."""
    if kind is KeyKind.STORE:
        return KeyRing((*(key for key in KEY_RING.keys if key.kind is not kind), KeyRing.new().current(kind)))
    return KeyRing(tuple(replace(key, secret=bytes(32)) if key.kind is kind else key for key in KEY_RING.keys))


@pytest.mark.parametrize("kind", COMPARED)
async def test_the_write_side_does_not_open_with_a_wrong_key(kind: KeyKind, monkeypatch: pytest.MonkeyPatch) -> None:
    """H6: a registration under a foreign key stopped all read models, or made two accounts of one address."""
    monkeypatch.setenv("PALIMPSEST_KEYS", wrong(kind).document())
    with pytest.raises(WrongKey, match=f"{kind} key"):
        async with open_write_side(load(), "api"):
            pytest.fail("opened")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_with_a_wrong_key_ends_with_a_sentence(role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """H6: the API said `ready`, and the projector paused for ever."""
    monkeypatch.setenv("PALIMPSEST_KEYS", wrong(KeyKind.KEY_ENCRYPTION).document())
    command = [sys.executable, "-m", "infra.cli.main", role]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2, ended.stderr
    assert "The secret of the key-encryption key 'kek' is wrong for this database." in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", COMPARED)
def test_doctor_names_a_wrong_key(
    kind: KeyKind, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """H6: `palimpsest doctor` with the wrong key was all green."""
    assert doctor()
    monkeypatch.setenv("PALIMPSEST_KEYS", wrong(kind).document())
    assert not doctor()
    assert f"{kind} key" in capsys.readouterr().out


def test_of_two_processes_with_different_keys_one_records_them(database: Database) -> None:
    rows(database.app_url, "SELECT record_key('store', '00000000', '')")
    assert len(rows(database.app_url, SELECT_KEYS)) == len(COMPARED)


class Lagging:
    """A database that answers from the third query on."""

    def __init__(self, answer: list[tuple[Any, ...]]) -> None:
        self._answer = answer
        self.queries = 0

    async def rows(self, query: str, params: object) -> list[tuple[Any, ...]]:
        self.queries += 1
        if self.queries < 3:
            raise Unavailable("The database")
        return self._answer


def guard_on(database: Any, ring: KeyRing) -> KeyGuard:
    settings = KeySettings.model_validate({"PALIMPSEST_KEYS": ring.document()})
    return KeyGuard(ProcessKeys(KeySource(settings)), database)


async def test_a_process_that_started_without_its_database_ends_once_a_key_proves_wrong(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H6: compared at the start, or as soon as the database answers."""
    monkeypatch.setattr("infra.bootstrap.lifetime.RETRY_SECONDS", 0.01)
    known = rows(database.app_url, SELECT_KEYS)
    guard = guard_on(Lagging(known), wrong(KeyKind.SIGNING))
    served: list[str] = []

    async def serve() -> None:
        async with ended_by(guard.watch()):
            with pytest.raises(Unavailable):
                await guard.require()
            served.append("until the database answered")
            await asyncio.Event().wait()

    with pytest.raises(WrongKey, match="signing key"):
        await serve()
    assert served
    assert not guard.verified


async def test_the_first_write_waits_for_the_comparison(database: Database) -> None:
    """H6: compared before the first write."""
    guard = guard_on(Lagging(rows(database.app_url, SELECT_KEYS)), KEY_RING)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await guard.require()
    await guard.require()
    assert guard.verified


@pytest.mark.parametrize("kind", [KeyKind.KEY_ENCRYPTION, KeyKind.STORE])
async def test_a_process_whose_key_was_retired_is_not_ready_and_writes_nothing(
    database: Database, kind: KeyKind
) -> None:
    """H6: it stayed `ready`, and each append failed with an error that no caller knew."""
    async with open_write_side(load(), "api") as core:
        rotate_elsewhere(database, kind)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await core.store.append([Note.write(uuid4(), "text")], CALL, None)
        with pytest.raises(WrongKey, match=f"{kind} key .* was replaced"):
            await core.guard.require()
    assert rows(database.admin_url, "SELECT count(*) FROM stored_events") == [(0,)]


async def test_a_process_that_only_looks_finds_that_its_key_was_retired(database: Database) -> None:
    async with open_write_side(load(), "api") as core:
        rotate_elsewhere(database, KeyKind.SIGNING)
        with pytest.raises(WrongKey):
            await core.guard.require(again=True)
        assert not core.guard.verified


async def test_a_wrong_document_does_not_stop_a_process_whose_keys_are_right(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PALIMPSEST_KEYS")
    file = KeySource(load().keys)
    file.write(KEY_RING)
    async with open_write_side(load(), "api") as core:
        file.write(wrong(KeyKind.SIGNING))
        with pytest.raises(WrongKey):
            await core.guard.require(again=True)
        await core.guard.require()
        await core.store.append([Note.write(uuid4(), "text")], CALL, None)


def rotate_elsewhere(database: Database, kind: KeyKind) -> None:
    """Record that the current key of a kind was retired, and another one is current."""
    new = values_of(RingKey.new(kind))
    rows(database.admin_url, "UPDATE keys SET state = 'retired' WHERE kind = %s", kind.value)
    rows(database.admin_url, "INSERT INTO keys (kind, id, check_value, state) VALUES (%s, %s, %s, 'current')", *new)


async def test_nothing_is_written_or_ready_before_the_keys_were_compared(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H6: a foreign key sealed what no other process could open."""
    compared = False

    async def require(guard: KeyGuard, *, again: bool = False) -> None:
        if not compared:
            raise Unavailable("The database")

    monkeypatch.setattr(KeyGuard, "require", require)
    async with open_write_side(load(), "api") as core, open_deps(load()) as deps:
        with pytest.raises(Unavailable):
            await core.store.append([Note.write(uuid4(), "text")], CALL, None)
        with pytest.raises(Unavailable):
            await deps.checks["database"]()
        compared = True
        await core.store.append([Note.write(uuid4(), "text")], CALL, None)
    assert rows(database.admin_url, "SELECT count(*) FROM stored_events") == [(1,)]
