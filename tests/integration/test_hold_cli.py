"""`palimpsest hold`: two people place a hold and lift it; the erasure is refused in between, in words."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from domain.identity.user import User
from infra.cli import erase
from infra.cli.hold import app
from infra.errors import SetupError
from infra.postgres.connect import as_part
from projections.kernel import read_models
from tests.support.environment import unset_settings
from tests.support.given import NOW
from tests.support.projecting import projecting
from tests.support.servers import Database
from tests.support.stores import CALL, make_key_file, open_store, rows


@pytest.fixture(autouse=True)
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("PALIMPSEST_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", database.admin_url)


def told(*arguments: str) -> list[dict[str, Any]]:
    """The holds that the command prints."""
    ran = CliRunner().invoke(app, list(arguments))
    assert ran.exit_code == 0, ran.exception
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]


def refusal(*arguments: str) -> str:
    """The sentence with which the command ends."""
    error = CliRunner().invoke(app, list(arguments)).exception
    assert isinstance(error, SetupError)
    return str(error)


async def test_a_hold_is_placed_and_lifted_by_two_people(database: Database) -> None:
    id = uuid4()
    user = User.register(id=id, email="ada@example.org", name="Ada", password_hash="-", now=NOW)
    async with open_store(database.app_url) as opened:
        await opened.store.append([user], CALL, None)
        async with projecting(read_models(), opened.feed(), as_part(database.admin_url, "projector")) as running:
            await running.reached()
            await asyncio.to_thread(place_and_lift, id)
    reasons = rows(database.admin_url, "SELECT state FROM stored_events WHERE topic = 'legal_hold.asked'")
    assert reasons
    assert all(b"Otterton" not in state for (state,) in reasons), "the reason is sealed"


def place_and_lift(id: UUID) -> None:
    """Place a hold on a user and lift it; try to erase the user at each step."""
    [asked] = told("ask", "user", str(id), "--by", "Kim", "--reason", "Court of Otterton, 12/26")
    assert (asked["state"], asked["in_force"]) == ("asked", False)
    assert "another person" in refusal("confirm", asked["id"], "--by", "kim")
    [placed] = told("confirm", asked["id"], "--by", "Lee")
    assert told("show", "user", str(id)) == [placed]
    erasing = CliRunner().invoke(erase.app, ["user", str(id), "--yes"])
    assert isinstance(erasing.exception, SetupError)
    assert "The law requires" in str(erasing.exception)
    told("lift", asked["id"], "--by", "Kim")
    [lifted] = told("confirm", asked["id"], "--by", "Lee")
    assert (lifted["state"], lifted["in_force"]) == ("lifted", False)
    assert CliRunner().invoke(erase.app, ["user", str(id), "--yes"]).exit_code == 0


def test_what_cannot_be_held_is_a_sentence() -> None:
    words = ("--by", "Kim", "--reason", "Court of Otterton")
    assert refusal("ask", "user", str(uuid4()), *words) == "There is no such user."
    assert refusal("ask", "team", "otters", *words) == "'otters' is not the id of a team."
    assert "email address" in refusal("ask", "address", "otters", *words)
    assert "legalhold" in refusal("confirm", str(uuid4()), "--by", "Kim")


def test_an_address_can_be_held_without_an_account() -> None:
    told("ask", "address", "ada@example.org", "--by", "Kim", "--reason", "Court of Otterton")
    [shown] = told("show", "address", "Ada@example.org")
    assert told("decline", shown["id"], "--by", "Kim")[0]["state"] == "declined"
