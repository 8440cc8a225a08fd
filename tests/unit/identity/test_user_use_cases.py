"""Use cases of users."""

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
from domain.identity.user import UserIsDeactivated
from domain.text import UnusableEmail
from tests.support.use_cases import PASSWORD, Desk

EMAIL = "ada@example.org"
REGISTER = Register(email=EMAIL, name="Ada", password=PASSWORD)


async def test_registering_opens_an_account_on_the_free_plan() -> None:
    desk = Desk()
    user = await desk.ask(REGISTER)
    assert (user.email, user.name, user.email_verified, user.version) == (EMAIL, "Ada", False, 1)
    assert desk.happened() == ["user.registered", "subscription.started"]
    assert desk.store.log[1].originator_id == Subscription.id_of(user.id)


async def test_an_address_registers_once_however_it_is_written() -> None:
    desk = Desk()
    await desk.ask(REGISTER)
    with pytest.raises(ClaimTaken) as refused:
        await desk.ask(Register(email="ADA@Example.org", name="Eve", password=PASSWORD))
    assert refused.value.kind == "email"
    assert len(desk.store.log) == 2


@pytest.mark.parametrize("password", ["short", EMAIL, "Ada"])
async def test_a_weak_password_is_refused_with_the_reason(password: str) -> None:
    with pytest.raises(WeakPassword, match="The password is"):
        await Desk().ask(Register(email=EMAIL, name="Ada", password=password))


async def test_registering_needs_an_address() -> None:
    with pytest.raises(UnusableEmail):
        await Desk().ask(Register(email="ada", name="Ada", password=PASSWORD))


async def test_logging_in_tells_the_address_id_once_the_address_is_verified() -> None:
    desk = Desk()
    user = await desk.ask(REGISTER)
    before = await desk.ask(LogIn(email=EMAIL, password=PASSWORD))
    await desk.ask(VerifyEmail(user_id=user.id))
    after = await desk.ask(LogIn(email=" ADA@example.org", password=PASSWORD))
    assert (before.user_id, before.address_id) == (user.id, None)
    assert after.user_id == user.id
    assert after.address_id is not None


async def test_logging_in_leaves_no_event() -> None:
    desk = Desk()
    await desk.ask(REGISTER)
    assert (await desk.send(LogIn(email=EMAIL, password=PASSWORD))).position is None


@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "wrong"), ("eve@example.org", PASSWORD), ("nonsense", PASSWORD), ("\ud800", "x")]
)
async def test_wrong_credentials_do_not_tell_what_is_wrong(email: str, password: str) -> None:
    desk = Desk()
    await desk.ask(REGISTER)
    with pytest.raises(WrongCredentials) as refused:
        await desk.ask(LogIn(email=email, password=password))
    assert refused.value.detail == "Email address and password do not match; check both."
    assert len(desk.passwords.checked) == 1


async def test_a_closed_account_is_closed_to_the_right_password() -> None:
    desk = Desk()
    ada = await desk.actor(EMAIL)
    await desk.ask(Deactivate(), ada)
    with pytest.raises(WrongCredentials):
        await desk.ask(LogIn(email=EMAIL, password=PASSWORD))
    with pytest.raises(UserIsDeactivated):
        await desk.ask(ChangeProfile(name="Ada L."), ada)
    with pytest.raises(ClaimTaken):
        await desk.ask(REGISTER)


async def test_a_profile_is_the_actors() -> None:
    desk = Desk()
    ada, _ = await desk.actor(EMAIL), await desk.actor("bob@example.org")
    view = await desk.ask(ChangeProfile(name="Ada L.", avatar_url="https://example.org/a.png"), ada)
    assert (view.id, view.name, view.avatar_url) == (ada.user_id, "Ada L.", "https://example.org/a.png")


async def test_a_password_changes_for_whoever_knows_the_current_one() -> None:
    desk = Desk()
    ada = await desk.actor(EMAIL)
    await desk.ask(ChangePassword(old=PASSWORD, new="another sentence to know"), ada)
    assert await desk.ask(LogIn(email=EMAIL, password="another sentence to know"))
    with pytest.raises(WrongCredentials):
        await desk.ask(LogIn(email=EMAIL, password=PASSWORD))


async def test_a_wrong_or_weak_password_changes_nothing() -> None:
    desk = Desk()
    ada = await desk.actor(EMAIL)
    with pytest.raises(WrongPassword):
        await desk.ask(ChangePassword(old="wrong", new="another sentence to know"), ada)
    with pytest.raises(WeakPassword):
        await desk.ask(ChangePassword(old=PASSWORD, new="weak"), ada)
    assert "user.password_changed" not in desk.happened()
