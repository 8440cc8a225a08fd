"""A restored backup brings back data keys that were destroyed: they are found, and destroyed again."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from adapters.files.local_files import LocalFiles
from application.privacy.erasure_list import ListedErasure, ListErasure, list_erasure
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import ERASED
from infra.bootstrap.files import FILES_FOLDER
from infra.bootstrap.write_side import utc_now
from infra.cli.erase import app
from infra.cli.repeated_erasures import examine_erasures
from infra.postgres.connect import as_part, connect
from infra.settings.load import load
from tests.support.environment import unset_settings
from tests.support.servers import Database
from tests.support.stores import CALL, make_key_file, open_store, rows


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.admin_url)


async def put_on_list(folder: Path, *listed: ListedErasure) -> None:
    for each in listed:
        await list_erasure(ListErasure(**each._asdict()), LocalFiles(folder / FILES_FOLDER))


async def repeated() -> str:
    """What `palimpsest erase replay` prints."""
    ran = await asyncio.to_thread(lambda: CliRunner().invoke(app, ["replay"]))
    assert ran.exit_code == 0, ran.exception
    return ran.stdout.splitlines()[-1]


async def state(database: Database) -> str:
    """What `palimpsest doctor` says of erasures."""

    def examined() -> str:
        with connect(as_part(database.admin_url, "owner")) as connection:
            return examine_erasures(connection, load()).state

    return await asyncio.to_thread(examined)


async def written(database: Database) -> tuple[UUID, UUID]:
    """A user and a document, stored; their ids."""
    now = utc_now()
    user = User.register(id=uuid4(), email="ada@example.org", name="Ada", password_hash="-", now=now)
    document = Document.create(id=uuid4(), owner_id=user.id, title="Otters", content="They float.", now=now)
    async with open_store(database.app_url) as opened:
        await opened.store.append([user, document], CALL, None)
    return user.id, document.id


async def names(database: Database, user_id: UUID, document_id: UUID) -> tuple[str, str]:
    """The name of the user and the title of the document, as the log says them."""
    async with open_store(database.app_url) as opened:
        user = await opened.store.load(User, user_id)
        document = await opened.store.load(Document, document_id)
    assert user is not None
    assert document is not None
    return user.name, document.title


async def test_a_restored_database_forgets_again_what_is_on_the_list(database: Database, tmp_path: Path) -> None:
    user_id, document_id = await written(database)
    later = utc_now()
    gone = [ListedErasure("user", user_id, later), ListedErasure("document", document_id, later)]
    await put_on_list(tmp_path, *gone, ListedErasure("user", uuid4(), later))
    assert await state(database) == "2 of those on the list are undone: a backup was restored"
    assert await names(database, user_id, document_id) == ("Ada", "Otters")
    assert await repeated() == "2 streams were erased again."
    assert await names(database, user_id, document_id) == (ERASED, ERASED)
    assert await state(database) == "all that are on the list are done: 3"
    assert await repeated() == "Nothing to do: no erasure is undone."
    kept = rows(database.admin_url, "SELECT FROM data_keys WHERE wrapped IS NOT NULL")
    assert kept == []
    waiting = rows(database.admin_url, "SELECT args ->> 'effect' FROM jobs.procrastinate_jobs")
    assert waiting == [(f"user.{user_id.hex}",)], "the rest of it is a job"


async def test_data_keys_that_were_restored_without_the_log_are_destroyed_without_an_event(
    database: Database, tmp_path: Path
) -> None:
    user_id, document_id = await written(database)
    backup = rows(database.admin_url, "SELECT wrapped, subject_id FROM data_keys")
    erased_at = await erased(database, user_id)
    await put_on_list(tmp_path, ListedErasure("user", user_id, erased_at))
    for wrapped, subject_id in backup:
        restored = "UPDATE data_keys SET wrapped = %s, erased_at = NULL, receipt = NULL WHERE subject_id = %s"
        rows(database.admin_url, restored, wrapped, subject_id)
    assert await names(database, user_id, document_id) == ("Ada", "Otters"), "the key opens it again"
    events = rows(database.admin_url, "SELECT count(*) FROM stored_events")
    assert await repeated() == "1 streams were erased again."
    assert rows(database.admin_url, "SELECT count(*) FROM stored_events") == events
    assert await names(database, user_id, document_id) == (ERASED, "Otters"), "the receipt fits"


async def test_a_key_that_an_address_got_after_its_erasure_is_left_alone(database: Database, tmp_path: Path) -> None:
    user_id, _ = await written(database)
    await put_on_list(tmp_path, ListedErasure("user", user_id, utc_now() - timedelta(days=1)))
    renewed = "UPDATE data_keys SET erased_at = now(), receipt = '' WHERE subject_id = %s"
    rows(database.admin_url, renewed, user_id)
    assert await state(database) == "all that are on the list are done: 1"


async def erased(database: Database, user_id: UUID) -> datetime:
    """Erase the user; return when."""
    async with open_store(database.app_url) as opened:
        user = await opened.store.load(User, user_id)
        assert user is not None
        user.erase(now=utc_now())
        await opened.store.append([user], CALL, None)
    [(at,)] = rows(database.admin_url, "SELECT erased_at FROM data_keys WHERE subject_id = %s", user_id)
    assert isinstance(at, datetime)
    return at
