"""The demo account can be logged in to and is verified, wherever its making was cut short."""

from pathlib import Path

import pytest

from application.bus import Bus
from application.identity.account import VerifyEmail
from infra.cli import demo_account
from infra.settings.load import load
from infra.settings.model import Settings
from tests.support.environment import unset_settings
from tests.support.servers import Database
from tests.support.stores import make_key_file, rows

OPENED = ["user.registered", "user.verification_requested", "user.email_verified"]


@pytest.fixture
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    unset_settings(monkeypatch)
    make_key_file(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    return load(tmp_path)


def topics(database: Database) -> list[str]:
    """The user's events so far."""
    return [
        topic for (topic,) in rows(database.admin_url, "SELECT topic FROM stored_events WHERE topic LIKE 'user.%%'")
    ]


def test_an_account_whose_making_was_cut_short_is_verified_at_the_next_start(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Bus.send

    async def cut_short(self: Bus, command: object, call: object) -> object:
        if isinstance(command, VerifyEmail):
            raise KeyboardInterrupt
        return await send(self, command, call)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Bus, "send", cut_short)
        with pytest.raises(KeyboardInterrupt):
            demo_account.ensure(settings)
    assert topics(database) == OPENED[:2]
    login = demo_account.ensure(settings)
    assert topics(database) == OPENED
    assert demo_account.ensure(settings) == login
    assert len(topics(database)) == 3


def test_an_account_that_was_verified_is_left_as_it_is(settings: Settings, database: Database) -> None:
    demo_account.ensure(settings)
    (settings.installation.data_dir / demo_account.FILE).unlink()
    demo_account.ensure(settings)
    assert topics(database) == OPENED
