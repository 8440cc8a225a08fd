"""Data keys are backed up apart from the log and for a week; those of people who were erased since do not come back."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from application.privacy.erasure_list import ListErasure, list_erasure
from domain.identity.user import User
from infra.bootstrap.files import open_files
from infra.cli import keys as commands
from infra.sealing import key_backup
from infra.settings.load import load
from tests.support.environment import unset_settings
from tests.support.given import NOW
from tests.support.servers import Database
from tests.support.stores import CALL, KEK, make_key_file, open_store, rows


@pytest.fixture(autouse=True)
def environment(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.admin_url)
    make_key_file(tmp_path)


async def run(*words: object) -> Result:
    """Run the command in a thread, as it runs an event loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, commands.app, [*map(str, words)])


async def backed_up(folder: Path) -> Path:
    """Make a backup; return its file."""
    done = await run("backup", folder)
    assert done.exit_code == 0, done.output
    [file] = backups_in(folder)
    return file


def backups_in(folder: Path) -> list[Path]:
    return [*folder.glob("data-keys-*.jsonl")]


async def registered(database: Database, *names: str) -> list[User]:
    users = [
        User.register(id=uuid4(), email=f"{name}@example.org", name=name, password_hash="-", now=NOW) for name in names
    ]
    async with open_store(database.app_url) as opened:
        for user in users:
            await opened.store.append([user], CALL, None)
    return users


async def name_of(database: Database, id: UUID) -> str:
    async with open_store(database.app_url) as opened:
        user = await opened.store.load(User, id)
        assert user is not None
        return user.name


async def test_keys_come_back_but_for_those_of_people_who_were_erased_since(database: Database, tmp_path: Path) -> None:
    ada, bob, eve = await registered(database, "ada", "bob", "eve")
    async with open_store(database.app_url) as opened:
        eve.erase(now=NOW)
        await opened.store.append([eve], CALL, None)
    file = await backed_up(tmp_path / "keys")
    assert (S_IMODE(file.stat().st_mode), S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    async with open_store(database.app_url) as opened:
        bob.erase(now=NOW)
        await opened.store.append([bob], CALL, None)
    settings = load()
    files = open_files(settings.files, settings.installation)
    await list_erasure(ListErasure(stream_kind="user", stream_id=bob.id, erased_at=NOW), files)
    rows(database.admin_url, "TRUNCATE data_keys")
    done = await run("restore", file)
    assert done.exit_code == 0, done.output
    assert "3 data keys are restored. 1 streams that were erased since were erased again." in done.output
    assert [await name_of(database, user.id) for user in (ada, bob, eve)] == ["ada", "[erased]", "[erased]"]


async def test_a_key_that_is_there_stays_also_an_erased_one(database: Database, tmp_path: Path) -> None:
    [ada] = await registered(database, "ada")
    file = await backed_up(tmp_path)
    async with open_store(database.app_url) as opened:
        ada.erase(now=NOW)
        await opened.store.append([ada], CALL, None)
    assert "0 data keys are restored" in (await run("restore", file)).output
    assert await name_of(database, ada.id) == "[erased]"


async def test_a_backup_has_no_key_that_opens_anything_and_no_words(database: Database, tmp_path: Path) -> None:
    await registered(database, "ada")
    content = (await backed_up(tmp_path / "keys")).read_text()
    assert KEK.hex() not in content
    assert "ada" not in content


def cut(text: str) -> str:
    return "\n".join(text.splitlines()[:-1])


def swapped(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([lines[0], lines[2], lines[1], lines[3]])


@pytest.mark.parametrize("change", [cut, swapped, lambda text: "", lambda text: text.replace("kek", "lek")])
async def test_a_file_that_was_changed_is_refused(
    database: Database, tmp_path: Path, change: Callable[[str], str]
) -> None:
    await registered(database, "ada", "bob")
    file = await backed_up(tmp_path / "keys")
    file.write_text(change(file.read_text()))
    rows(database.admin_url, "TRUNCATE data_keys")
    refused = await run("restore", file)
    assert "it was changed, or is of another installation" in str(refused.exception)
    assert rows(database.admin_url, "SELECT FROM data_keys") == []


async def test_a_backup_is_refused_after_a_week_and_the_next_one_removes_it(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await backed_up(tmp_path / "keys")
    monkeypatch.setattr(key_backup, "KEPT_FOR", timedelta(seconds=-1))
    assert "older than" in str((await run("restore", file)).exception)


async def test_old_backups_are_removed_with_the_next_one_and_other_files_stay(
    database: Database, tmp_path: Path
) -> None:
    for days, name in ((8, "old"), (6, "new")):
        (tmp_path / (datetime.now(UTC) - timedelta(days=days)).strftime(key_backup.NAME)).write_text(name)
    (tmp_path / "other.txt").touch()
    assert (await run("backup", tmp_path)).exit_code == 0
    kept = [file.read_text() for file in backups_in(tmp_path)]
    assert (len(kept), "new" in kept, "old" in kept) == (2, True, False)
    assert (tmp_path / "other.txt").exists()


async def test_keys_that_the_document_cannot_unwrap_are_refused(database: Database, tmp_path: Path) -> None:
    await registered(database, "ada")
    rows(database.admin_url, "UPDATE data_keys SET kek_id = 'former'")
    file = await backed_up(tmp_path)
    assert "wrapped by 'former'" in str((await run("restore", file)).exception)
