"""Use cases of users."""

from typing import Any
from uuid import UUID

import pytest

from application.identity.user import (
    ChangePassword,
    ChangeProfile,
    Deactivate,
    LogIn,
    Register,
    VerifyEmail,
    WeakPassword,
    WrongCredentials,
    WrongPassword,
)
from application.ports import ClaimTaken
from domain.billing.subscription import Subscription
from domain.identity.user import User, UserIsDeactivated
from domain.kernel import Party
from domain.text import UnusableEmail
from tests.support.use_cases import PASSWORD, CommandRunner

EMAIL = "ada@example.org"
REGISTER = Register(email=EMAIL, name="Ada", password=PASSWORD)


async def test_registering_opens_an_account_on_the_free_plan() -> None:
    runner = CommandRunner()
    user = await runner.ask(REGISTER)
    assert (user.email, user.name, user.email_verified, user.version) == (EMAIL, "Ada", False, 1)
    assert runner.happened() == ["user.registered", "subscription.started"]
    assert runner.store.log[1].originator_id == Subscription.id_of(Party("user", user.id))


async def test_an_address_registers_once_however_it_is_written() -> None:
    runner = CommandRunner()
    await runner.ask(REGISTER)
    with pytest.raises(ClaimTaken) as refused:
        await runner.ask(Register(email="ADA@Example.org", name="Eve", password=PASSWORD))
    assert refused.value.kind == "email"
    assert len(runner.store.log) == 2


@pytest.mark.parametrize("password", ["short", EMAIL, "Ada"])
async def test_a_weak_password_is_refused_with_the_reason(password: str) -> None:
    with pytest.raises(WeakPassword, match="The password is"):
        await CommandRunner().ask(Register(email=EMAIL, name="Ada", password=password))


async def test_registering_needs_an_address() -> None:
    with pytest.raises(UnusableEmail):
        await CommandRunner().ask(Register(email="ada", name="Ada", password=PASSWORD))


async def test_logging_in_tells_the_address_id_once_the_address_is_verified() -> None:
    runner = CommandRunner()
    user = await runner.ask(REGISTER)
    before = await runner.ask(LogIn(email=EMAIL, password=PASSWORD))
    await runner.ask(VerifyEmail(user_id=user.id))
    after = await runner.ask(LogIn(email=" ADA@example.org", password=PASSWORD))
    assert (before.user_id, before.address_id) == (user.id, None)
    assert after.user_id == user.id
    assert after.address_id is not None


async def test_logging_in_leaves_no_event() -> None:
    runner = CommandRunner()
    await runner.ask(REGISTER)
    assert (await runner.send(LogIn(email=EMAIL, password=PASSWORD))).position is None


@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "wrong"), ("eve@example.org", PASSWORD), ("nonsense", PASSWORD), ("\ud800", "x")]
)
async def test_wrong_credentials_do_not_tell_what_is_wrong(email: str, password: str) -> None:
    runner = CommandRunner()
    await runner.ask(REGISTER)
    with pytest.raises(WrongCredentials) as refused:
        await runner.ask(LogIn(email=email, password=password))
    assert refused.value.detail == "Email address and password do not match; check both."
    assert len(runner.passwords.checked) == 1


@pytest.mark.parametrize("email", [EMAIL, "closed@example.org", "eve@example.org"], ids=["open", "closed", "unknown"])
async def test_asvs_6_3_8_a_login_does_the_same_work_whether_there_is_an_account_or_not(
    email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = CommandRunner()
    await runner.ask(REGISTER)
    await runner.ask(Deactivate(), await runner.actor("closed@example.org"))
    loaded, load = [], runner.store.load

    async def counted(kind: type[Any], id: UUID, **more: Any) -> Any:
        loaded.append(kind)
        return await load(kind, id, **more)

    monkeypatch.setattr(runner.store, "load", counted)
    runner.passwords.checked.clear()
    with pytest.raises(WrongCredentials):
        await runner.ask(LogIn(email=email, password="wrong"))
    assert (loaded, len(runner.passwords.checked)) == ([User], 1)


async def test_a_closed_account_is_closed_to_the_right_password() -> None:
    runner = CommandRunner()
    ada = await runner.actor(EMAIL)
    await runner.ask(Deactivate(), ada)
    with pytest.raises(WrongCredentials):
        await runner.ask(LogIn(email=EMAIL, password=PASSWORD))
    with pytest.raises(UserIsDeactivated):
        await runner.ask(ChangeProfile(name="Ada L."), ada)
    with pytest.raises(ClaimTaken):
        await runner.ask(REGISTER)


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
