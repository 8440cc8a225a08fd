"""The demo account can be logged in to and is verified, wherever its making was cut short."""

from pathlib import Path

import pytest

from application.bus import Bus
from application.identity.user import VerifyEmail
from infra import demo, keys
from infra.settings import Settings, load, variable
from tests.support.servers import Database
from tests.support.stores import rows


@pytest.fixture
def settings(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable(name), raising=False)
    keys.ensure(tmp_path, data_exists=False)
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
            demo.ensure(settings)
    assert topics(database) == ["user.registered"]
    login = demo.ensure(settings)
    assert topics(database) == ["user.registered", "user.email_verified"]
    assert demo.ensure(settings) == login
    assert len(topics(database)) == 2


def test_an_account_that_was_verified_is_left_as_it_is(settings: Settings, database: Database) -> None:
    demo.ensure(settings)
    (settings.data_dir / demo.FILE).unlink()
    demo.ensure(settings)
    assert topics(database) == ["user.registered", "user.email_verified"]
