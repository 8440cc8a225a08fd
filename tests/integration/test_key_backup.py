"""Data keys are backed up apart from the log and for a week; those of people who were erased since do not come back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from adapters.files.local_files import LocalFiles
from application.ports import FileInfo, Unavailable
from application.privacy.erasure_list import ListErasure, list_erasure
from domain.content import sharing
from domain.content.document import Document
from domain.identity.user import User
from domain.privacy.address import Address
from infra.bootstrap.files import open_files
from infra.cli import keys as commands
from infra.errors import SetupError
from infra.sealing import key_backup
from infra.settings.load import load
from infra.settings.model import Settings
from tests.support.environment import unset_settings
from tests.support.given import NOW, address_of, person
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


def drafts_in(folder: Path) -> list[Path]:
    return [*folder.glob("data-keys-*.draft")]


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
    await put_on_list(bob)
    rows(database.admin_url, "TRUNCATE data_keys")
    done = await run("restore", file)
    assert done.exit_code == 0, done.output
    assert "1 data keys are restored, and 2 receipts of erased ones. 0 streams" in done.output
    assert [await name_of(database, user.id) for user in (ada, bob, eve)] == ["ada", "[erased]", "[erased]"]


async def put_on_list(*users: User) -> None:
    settings = load()
    files = open_files(settings.files, settings.installation)
    for user in users:
        await list_erasure(ListErasure(stream_kind="user", stream_id=user.id, erased_at=NOW), files)


def kept_keys(database: Database) -> list[UUID]:
    return [id for (id,) in rows(database.admin_url, "SELECT subject_id FROM data_keys WHERE wrapped IS NOT NULL")]


async def test_nothing_is_restored_if_the_list_of_erasures_cannot_be_read(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(self: LocalFiles, folder: str) -> AsyncIterator[FileInfo]:
        raise Unavailable("The store of files")

    await registered(database, "ada")
    file = await backed_up(tmp_path / "keys")
    rows(database.admin_url, "TRUNCATE data_keys")
    monkeypatch.setattr(LocalFiles, "list", unavailable)
    assert isinstance((await run("restore", file)).exception, SetupError)
    assert kept_keys(database) == []


async def test_a_restore_that_dies_has_brought_back_no_key_of_people_who_were_erased(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(settings: Settings) -> int:
        raise KeyboardInterrupt

    ada, bob, eve = await registered(database, "ada", "bob", "eve")
    file = await backed_up(tmp_path / "keys")
    async with open_store(database.app_url) as opened:
        bob.erase(now=NOW)
        await opened.store.append([bob], CALL, None)
    await put_on_list(eve)  # the log is that of a backup, which does not know it
    rows(database.admin_url, "TRUNCATE data_keys")
    monkeypatch.setattr(commands, "repeat_erasures", die)
    assert (await run("restore", file)).exit_code != 0
    assert kept_keys(database) == [ada.id]
    assert [await name_of(database, user.id) for user in (ada, bob, eve)] == ["ada", "[erased]", "[erased]"]


@pytest.mark.parametrize("had_key", [False, True])
async def test_a_restore_brings_back_the_key_that_an_address_got_after_its_erasure(
    database: Database, tmp_path: Path, had_key: bool
) -> None:
    owner, id = person(1), address_of(person(2))
    address = Address.erase(id=id, now=NOW)
    async with open_store(database.app_url) as opened:

        async def use() -> UUID:
            shared = Document.create(id=uuid4(), owner_id=owner.user_id, title="A", content="", now=NOW)
            sharing.share(shared, address_id=id, email="bob@example.org", role="viewer", by=owner, now=NOW)
            await opened.store.append([shared], CALL, None)
            return shared.id

        documents = {await use()} if had_key else set()
        await opened.store.append([address], CALL, None)
        documents.add(await use())
    file = await backed_up(tmp_path / "keys")
    rows(database.admin_url, "TRUNCATE data_keys")
    await run("restore", file)
    assert id in kept_keys(database)
    async with open_store(database.app_url) as opened:
        address.erase_again(now=NOW)
        await opened.store.append([address], CALL, None)
    rows(database.admin_url, "TRUNCATE data_keys")
    await run("restore", file)
    assert {*kept_keys(database)} == documents


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


async def test_drafts_of_backups_that_were_killed_are_removed_like_backups(database: Database, tmp_path: Path) -> None:
    for days in (8, 6):
        made_at = datetime.now(UTC) - timedelta(days=days)
        (tmp_path / made_at.strftime(key_backup.NAME)).with_suffix(".draft").write_text(str(days))
    assert (await run("backup", tmp_path)).exit_code == 0
    assert [file.read_text() for file in drafts_in(tmp_path)] == ["6"]


async def test_a_file_whose_name_says_no_time_stays_and_is_named(database: Database, tmp_path: Path) -> None:
    (tmp_path / "data-keys-old.jsonl").touch()
    (tmp_path / (datetime.now(UTC) - timedelta(days=8)).strftime(key_backup.NAME)).touch()
    done = await run("backup", tmp_path)
    assert done.exit_code == 0, done.exception
    assert "data-keys-old.jsonl is never removed" in done.output.replace("\n", "")
    assert len(backups_in(tmp_path)) == 2


async def test_keys_that_the_document_cannot_unwrap_are_refused(database: Database, tmp_path: Path) -> None:
    await registered(database, "ada")
    rows(database.admin_url, "UPDATE data_keys SET kek_id = 'former'")
    file = await backed_up(tmp_path)
    assert "wrapped by 'former'" in str((await run("restore", file)).exception)
