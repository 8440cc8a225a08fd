"""`palimpsest erase`: asks before it erases, and says what it cannot find."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner, Result

from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Root
from infra.cli.erase import app
from infra.errors import SetupError
from infra.postgres.connect import as_part
from infra.projector.quarantine import retry
from projections.kernel import read_models
from tests.support.environment import unset_settings
from tests.support.note import NOW, Note
from tests.support.projecting import projecting, quarantine_of
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, make_key_file, open_store, rows


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.admin_url)


def refusal(*arguments: str) -> str:
    """The sentence with which the command ends."""
    error = CliRunner().invoke(app, list(arguments)).exception
    assert isinstance(error, SetupError)
    return str(error)


def test_without_a_terminal_it_asks_for_yes_and_erases_nothing(database: Database) -> None:
    assert "--yes" in refusal("document", str(uuid4()))
    assert rows(database.admin_url, "SELECT FROM stored_events") == []


def test_what_does_not_exist_is_a_sentence() -> None:
    assert refusal("document", str(uuid4()), "--yes") == "There is no such document."
    assert refusal("user", str(uuid4()), "--yes") == "There is no such user."


def test_what_is_no_address_is_a_sentence() -> None:
    assert "email address" in refusal("address", "nothing", "--yes")


def test_without_a_projector_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, database: Database) -> None:
    monkeypatch.setattr("projections.privacy.holdings.WAIT_SECONDS", 0.1)

    async def write() -> None:
        async with open_store(database.app_url) as opened:
            await opened.store.append([Note.write(uuid4(), "text")], CALL, None)

    asyncio.run(write())
    assert "projector" in refusal("team", str(uuid4()), "--yes")


def user() -> User:
    return User.register(id=(id := uuid4()), email=f"{id.hex}@example.org", name="Ada", password_hash="-", now=NOW)


def document(owner_id: UUID) -> Document:
    return Document.create(id=uuid4(), owner_id=owner_id, title="Otters", content="They float.", now=NOW)


@asynccontextmanager
async def damaged(database: Database, *roots: Root) -> AsyncIterator[Opened]:
    """The aggregates, projected; no event of the last one can be opened, so it is in quarantine."""
    async with open_store(database.app_url) as opened:
        await opened.store.append(roots, CALL, None)
    rows(database.admin_url, "UPDATE data_keys SET wrapped = '' WHERE subject_id = %s", roots[-1].id)
    url = as_part(database.admin_url, "projector")
    async with open_store(database.app_url) as opened, projecting(read_models(), opened.feed(), url) as run:
        await run.reached()
        yield opened


async def erase(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, [*arguments, "--yes"]))


async def test_a_damaged_stream_of_any_owner_is_named_after_all_else_is_erased(database: Database) -> None:
    ada = user()
    own, foreign = document(ada.id), document(uuid4())
    async with damaged(database, ada, own, foreign):
        ran = await erase("user", str(ada.id))
    assert isinstance(ran.exception, SetupError)
    assert f"1 streams cannot be read, and may hold more of this user: {foreign.id}." in str(ran.exception)
    assert "address" not in ran.stderr
    assert outcome(ran)["unread"] == [str(foreign.id)]
    assert gone(database) == {ada.id, own.id}


async def test_a_damaged_user_is_erased_but_for_the_address_that_is_not_known(database: Database) -> None:
    ada = user()
    async with damaged(database, ada):
        ran = await erase("user", str(ada.id))
    assert "palimpsest erase address" in ran.stderr
    assert gone(database) == {ada.id}


async def test_a_damaged_document_is_erased_and_its_rows_are_dropped_once_it_leaves_the_quarantine(
    database: Database,
) -> None:
    one = document(uuid4())
    async with damaged(database, one) as opened:
        assert "palimpsest projections retry" in str((await erase("document", str(one.id))).exception)
        assert gone(database) == {one.id}
        for stream in await quarantine_of(database.app_url):
            model = next(model for model in read_models() if model.name == stream.consumer)
            assert await retry(model, one.id, opened.feed(), database.app_url) is None
        ran = await erase("document", str(one.id))
    assert (ran.exit_code, outcome(ran)["unread"]) == (0, [])
    assert rows(database.admin_url, "SELECT FROM read.document") == []
    assert rows(database.admin_url, "SELECT FROM read.document_version") == []


async def test_a_stream_without_an_event_that_can_be_read_cannot_be_erased(database: Database) -> None:
    one = document(uuid4())
    async with damaged(database, one):
        rows(database.admin_url, "UPDATE stored_events SET state = ''")
        assert "backup" in str((await erase("document", str(one.id))).exception)


def outcome(ran: Result) -> Any:
    """The last line of the output. Logs come before it: only the command `palimpsest` itself sends them elsewhere."""
    return json.loads(ran.stdout.splitlines()[-1])


def gone(database: Database) -> set[UUID]:
    """The streams whose data key was destroyed, with a receipt."""
    return {id for (id,) in rows(database.admin_url, "SELECT subject_id FROM data_keys WHERE receipt IS NOT NULL")}
