"""Use cases of users with an account: log in, change and close it."""

from typing import Any
from uuid import UUID

import pytest

from application.identity.account import OpenAccount
from application.identity.authentication import WrongCredentials
from application.identity.confirmation import WrongPassword
from application.identity.sessions import LogIn
from application.identity.user import ChangePassword, ChangeProfile, Deactivate, WeakPassword
from application.ports import Actor
from domain.identity.refusals import UserIsDeactivated
from domain.identity.user import User
from tests.support.use_cases import PASSWORD, CommandRunner

EMAIL = "ada@example.org"


async def unverified(runner: CommandRunner, email: str) -> None:
    hashed = await runner.passwords.hash(PASSWORD)
    await runner.ask(OpenAccount(id=UUID(int=0x0BE4), email=email, name="Eve", password_hash=hashed))


async def test_logging_in_begins_a_session_with_the_blind_id_of_the_address() -> None:
    runner = CommandRunner()
    user_id = await runner.account(EMAIL)
    session = await runner.ask(LogIn(email=" ADA@example.org", password=PASSWORD))
    live = runner.sessions.known(session.session_id)
    assert live is not None
    assert live.actor == Actor(user_id, runner.blind.address_id(EMAIL))


async def test_logging_in_leaves_no_event() -> None:
    runner = CommandRunner()
    await runner.account(EMAIL)
    assert (await runner.send(LogIn(email=EMAIL, password=PASSWORD))).position is None


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (EMAIL, "wrong"),
        ("unverified@example.org", PASSWORD),
        ("unknown@example.org", PASSWORD),
        ("nonsense", PASSWORD),
        ("\ud800", "x"),
    ],
)
async def test_a_refused_login_does_not_say_what_is_wrong(email: str, password: str) -> None:
    """A stranger could register an address with a password of their own: the answer must not show what came of it."""
    runner = CommandRunner()
    await runner.account(EMAIL)
    await unverified(runner, "unverified@example.org")
    with pytest.raises(WrongCredentials) as refused:
        await runner.ask(LogIn(email=email, password=password))
    assert "or the address is not verified yet" in refused.value.detail
    assert len(runner.passwords.checked) == 1


@pytest.mark.parametrize("name", ["ada", "closed", "unverified", "unknown"])
async def test_asvs_6_3_8_a_login_does_the_same_work_whether_there_is_an_account_or_not(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = CommandRunner()
    await runner.account(EMAIL)
    await unverified(runner, "unverified@example.org")
    await runner.ask(Deactivate(), await runner.actor("closed@example.org"))
    loaded, load = [], runner.store.load

    async def counted(kind: type[Any], id: UUID, **more: Any) -> Any:
        loaded.append(kind)
        return await load(kind, id, **more)

    monkeypatch.setattr(runner.store, "load", counted)
    runner.passwords.checked.clear()
    with pytest.raises(WrongCredentials):
        await runner.ask(LogIn(email=f"{name}@example.org", password="wrong"))
    assert (loaded, len(runner.passwords.checked)) == ([User], 1)


async def test_a_closed_account_is_closed_to_the_right_password() -> None:
    runner = CommandRunner()
    ada = await runner.actor(EMAIL)
    await runner.ask(Deactivate(), ada)
    with pytest.raises(WrongCredentials):
        await runner.ask(LogIn(email=EMAIL, password=PASSWORD))
    with pytest.raises(UserIsDeactivated):
        await runner.ask(ChangeProfile(name="Ada L."), ada)


async def test_a_profile_is_the_actors() -> None:
    runner = CommandRunner()
    ada, _ = await runner.actor(EMAIL), await runner.actor("bob@example.org")
    view = await runner.ask(ChangeProfile(name="Ada L.", avatar_url="https://example.org/a.png"), ada)
    assert (view.id, view.name, view.avatar_url) == (ada.user_id, "Ada L.", "https://example.org/a.png")


async def test_a_password_changes_for_a_user_who_knows_the_current_one() -> None:
    runner = CommandRunner()
    ada = await runner.actor(EMAIL)
    await runner.ask(ChangePassword(old=PASSWORD, new="another sentence to know"), ada)
    assert await runner.ask(LogIn(email=EMAIL, password="another sentence to know"))
    with pytest.raises(WrongCredentials):
        await runner.ask(LogIn(email=EMAIL, password=PASSWORD))


async def test_a_wrong_or_weak_password_changes_nothing() -> None:
    runner = CommandRunner()
    ada = await runner.actor(EMAIL)
    with pytest.raises(WrongPassword):
        await runner.ask(ChangePassword(old="wrong", new="another sentence to know"), ada)
    with pytest.raises(WeakPassword):
        await runner.ask(ChangePassword(old=PASSWORD, new="weak"), ada)
    assert "user.password_changed" not in runner.happened()
