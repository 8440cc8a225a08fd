"""Users: an account from its opening to its closing."""

from collections.abc import Callable

import pytest

from domain.identity.user import AVATAR_URL_LENGTH, UnusableAvatar, User, UserIsDeactivated
from domain.kernel import Claim
from domain.text import UnusableEmail, UnusableText
from tests.support.given import ID, NOW, Fact, fact, given, new_events, replayed, state

REGISTERED = fact(User.Registered, email="ada@example.org", name="Ada", password_hash="hash")
VERIFIED = fact(User.EmailVerified)
DEACTIVATED = fact(User.Deactivated)


def register(email: str = "ada@example.org", name: str = "Ada") -> User:
    return User.register(id=ID, email=email, name=name, password_hash="hash", now=NOW)


def test_registering_opens_an_account() -> None:
    user = register()
    assert new_events(user) == [REGISTERED]
    assert (user.email, user.name, user.email_verified, user.avatar_url) == ("ada@example.org", "Ada", False, None)
    assert user.active


def test_an_account_has_the_normal_form_of_the_address() -> None:
    assert new_events(register(email=" ADA@Example.org", name=" Ada ")) == [REGISTERED]


def test_an_account_claims_its_address() -> None:
    event = register(email="Ada@example.org").pending_events[0]
    assert isinstance(event, User.Registered)
    assert list(event.claims()) == [Claim("email", "1 ada@example.org")]


def test_an_account_needs_an_address_and_a_name() -> None:
    with pytest.raises(UnusableEmail):
        register(email="ada")
    with pytest.raises(UnusableText):
        register(name=" ")
    with pytest.raises(UnusableText):
        register(name="x" * 201)


def test_an_address_is_verified_once() -> None:
    user = given(User, REGISTERED)
    user.verify_email(now=NOW)
    user.verify_email(now=NOW)
    assert new_events(user) == [VERIFIED]
    assert user.email_verified


def test_a_profile_changes() -> None:
    user = given(User, REGISTERED)
    user.change_profile(name="Ada L.", avatar_url="https://example.org/a.png", now=NOW)
    user.change_profile(name="Ada L.", avatar_url=None, now=NOW)
    assert new_events(user) == [
        fact(User.ProfileChanged, name="Ada L.", avatar_url="https://example.org/a.png"),
        fact(User.ProfileChanged, name="Ada L.", avatar_url=None),
    ]


def test_the_same_profile_causes_no_event() -> None:
    user = given(User, REGISTERED)
    user.change_profile(name=" Ada", avatar_url=None, now=NOW)
    assert new_events(user) == []


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://example.org/a.png", "https://", "https:///a.png", "https://a/b c", "a.png"]
)
def test_an_avatar_is_a_safe_address(url: str) -> None:
    user = given(User, REGISTERED)
    with pytest.raises(UnusableAvatar):
        user.change_profile(name="Ada", avatar_url=url, now=NOW)


def test_the_address_of_an_avatar_is_bounded() -> None:
    user = given(User, REGISTERED)
    with pytest.raises(UnusableText):
        user.change_profile(name="Ada", avatar_url="https://a/" + "b" * AVATAR_URL_LENGTH, now=NOW)


def test_a_password_changes() -> None:
    user = given(User, REGISTERED)
    user.change_password(password_hash="other", now=NOW)
    user.change_password(password_hash="other", now=NOW)
    assert new_events(user) == [fact(User.PasswordChanged, password_hash="other")]
    assert user.password_hash == "other"


def test_an_account_is_closed_once() -> None:
    user = given(User, REGISTERED)
    user.deactivate(now=NOW)
    user.deactivate(now=NOW)
    assert new_events(user) == [DEACTIVATED]
    assert (user.active, user.deactivated_at) == (False, NOW)


def test_a_closed_account_keeps_its_address() -> None:
    user = given(User, REGISTERED)
    user.deactivate(now=NOW)
    event = user.pending_events[0]
    assert isinstance(event, User.Deactivated)
    assert list(event.releases()) == []


@pytest.mark.parametrize(
    "command",
    [
        lambda user: user.verify_email(now=NOW),
        lambda user: user.change_profile(name="Eve", avatar_url=None, now=NOW),
        lambda user: user.change_password(password_hash="other", now=NOW),
    ],
    ids=["verify", "profile", "password"],
)
@pytest.mark.parametrize("past", [[REGISTERED], [REGISTERED, VERIFIED]], ids=["unverified", "verified"])
def test_a_closed_account_does_nothing_more(command: Callable[[User], None], past: list[Fact]) -> None:
    user = given(User, *past, DEACTIVATED)
    with pytest.raises(UserIsDeactivated):
        command(user)
    assert new_events(user) == []


def test_history_alone_gives_back_an_account() -> None:
    user = register()
    user.verify_email(now=NOW)
    user.change_profile(name="Ada L.", avatar_url="https://example.org/a.png", now=NOW)
    user.change_password(password_hash="other", now=NOW)
    user.deactivate(now=NOW)
    assert state(replayed(user)) == state(user)


def test_an_erased_user_is_closed_and_erased_once() -> None:
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    user.collect_events()
    user.erase(now=NOW)
    user.erase(now=NOW)
    assert new_events(user) == [fact(User.Erased)]
    assert not user.active
