"""`palimpsest erase`: asks before it erases, and says what it cannot find."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from infra.cli.erase import app
from infra.errors import SetupError
from tests.support.environment import unset_settings
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stores import CALL, make_key_file, open_store, rows


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
