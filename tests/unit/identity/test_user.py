"""Users: an account from its opening to its closing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from domain.identity.links import LinkNotValid, RequestedKind
from domain.identity.profile import AVATAR_URL_LENGTH, UnusableAvatar
from domain.identity.refusals import UserIsDeactivated
from domain.identity.user import User
from domain.kernel import Claim, Root
from domain.text import UnusableEmail, UnusableText
from tests.support.given import ID, NOW, Fact, fact, given, new_events, replayed, state
from tests.support.lives.identity.user import user as life_of_user

REGISTERED = fact(User.Registered, email="ada@example.org", name="Ada", password_hash="hash")
VERIFIED = fact(User.EmailVerified)
DEACTIVATED = fact(User.Deactivated)
REPEATED = fact(User.RegistrationRepeated, drops_terms=False)
REPEATED_BEFORE_VERIFIED = fact(User.RegistrationRepeated, drops_terms=True)
CHANGED = fact(
    User.EmailChanged,
    email="ada@new.example.org",
    former_email="ada@example.org",
    link_id=UUID(int=3),
    token_digest="digest 3",
    expires_at=NOW + timedelta(days=7),
)
UNDONE = fact(User.EmailChangeUndone, email="ada@example.org", undone_email="ada@new.example.org")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def issued(kind: RequestedKind = "verify", number: int = 1, at: datetime = NOW) -> Fact:
    """The event of a link: its token's digest is `digest NUMBER`."""
    event = User.VerificationRequested if kind == "verify" else User.PasswordResetRequested
    lifetime = timedelta(hours=24 if kind == "verify" else 1)
    return fact(event, link_id=UUID(int=number), token_digest=f"digest {number}", expires_at=at + lifetime)


def request(user: User, kind: RequestedKind = "verify", number: int = 1, *, at: datetime = NOW) -> None:
    user.request_link(kind, link_id=UUID(int=number), token_digest=f"digest {number}", now=at)


def verify(user: User, number: int = 1, *, at: datetime = NOW) -> None:
    user.verify_email(token_digest=f"digest {number}", now=at)


def reset(user: User, number: int = 1, *, at: datetime = NOW) -> None:
    user.reset_password(token_digest=f"digest {number}", password_hash="other", now=at)


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


def test_an_address_is_verified_once_by_the_token_of_the_link() -> None:
    user = given(User, REGISTERED, issued())
    verify(user)
    with pytest.raises(LinkNotValid):
        verify(user)
    assert new_events(user) == [VERIFIED]
    assert user.email_verified


def test_a_link_is_issued_with_the_time_at_which_it_expires() -> None:
    user = given(User, REGISTERED)
    request(user)
    request(user, "reset", 2)
    assert new_events(user) == [issued(), issued("reset", 2)]


@pytest.mark.parametrize("kind", ["verify", "reset"])
def test_of_each_kind_one_link_a_minute_is_issued(kind: RequestedKind) -> None:
    user = given(User, REGISTERED, issued("verify", 1), issued("reset", 1))
    request(user, kind, 2, at=NOW + MINUTE - timedelta(microseconds=1))
    assert new_events(user) == []
    request(user, kind, 3, at=NOW + MINUTE)
    assert new_events(user) == [issued(kind, 3, NOW + MINUTE)]


@pytest.mark.parametrize("kind", ["verify", "reset"])
def test_links_that_are_requested_again_and_again_come_ever_more_rarely(kind: RequestedKind) -> None:
    """A newer link ends the one before: strangers who request them must not keep the user from using one."""
    user = given(User, REGISTERED)
    for minute in range(24 * 60):
        request(user, kind, minute + 1, at=NOW + minute * MINUTE)
    minutes = [(event.timestamp - NOW) // MINUTE for event in user.pending_events]
    assert minutes[:6] == [0, 1, 6, 21, 81, 141]
    assert {later - earlier for earlier, later in pairwise(minutes[3:])} == {60}


def test_after_a_quiet_day_a_link_is_issued_a_minute_after_another() -> None:
    user = given(User, REGISTERED, *(issued("reset", n, NOW + n * MINUTE) for n in range(4)))
    for minutes in (0, 1):
        request(user, "reset", 9 + minutes, at=NOW + 2 * DAY + minutes * MINUTE)
    assert [event.timestamp for event in user.pending_events] == [NOW + 2 * DAY, NOW + 2 * DAY + MINUTE]


def test_a_verified_address_takes_no_link_to_verify_it() -> None:
    user = given(User, REGISTERED, issued(), VERIFIED)
    request(user, at=NOW + DAY)
    assert (new_events(user), user.verifying_link) == ([], None)


@pytest.mark.parametrize(("use", "kind", "hours"), [(verify, "verify", 24), (reset, "reset", 1)])
def test_asvs_6_5_5_a_link_expires(use: Callable[..., None], kind: RequestedKind, hours: int) -> None:
    end = NOW + timedelta(hours=hours)
    late, early = given(User, REGISTERED, issued(kind)), given(User, REGISTERED, issued(kind))
    with pytest.raises(LinkNotValid):
        use(late, at=end)
    use(early, at=end - timedelta(microseconds=1))
    assert (new_events(late), early.email_verified) == ([], True)


WRONG_LINKS = {
    "never issued": [REGISTERED],
    "another token": [REGISTERED, issued("verify", 2), issued("reset", 2)],
    "replaced": [REGISTERED, issued("verify", 1), issued("reset", 1), issued("verify", 2), issued("reset", 2)],
    "password changed": [
        REGISTERED, issued("verify", 1), issued("reset", 1),
        fact(User.PasswordChanged, password_hash="x", kept_session_id=None),
    ],
    "address changed": [REGISTERED, issued("verify", 1), issued("reset", 1), CHANGED],
    "change of address undone": [REGISTERED, CHANGED, issued("verify", 1), issued("reset", 1), UNDONE],
    "closed": [REGISTERED, issued("verify", 1), issued("reset", 1), DEACTIVATED],
    "erased": [REGISTERED, issued("verify", 1), issued("reset", 1), fact(User.Erased)],
}  # fmt: skip


@pytest.mark.parametrize("use", [verify, reset])
@pytest.mark.parametrize("past", WRONG_LINKS.values(), ids=WRONG_LINKS)
def test_a_link_that_has_ended_has_no_effect(use: Callable[..., None], past: list[Fact]) -> None:
    user = given(User, *past)
    with pytest.raises(LinkNotValid):
        use(user)
    assert new_events(user) == []


def test_a_link_has_one_purpose() -> None:
    user = given(User, REGISTERED, issued("verify", 1), issued("reset", 2))
    with pytest.raises(LinkNotValid):
        reset(user, 1)
    with pytest.raises(LinkNotValid):
        verify(user, 2)


def test_a_new_password_by_a_link_verifies_the_address_too() -> None:
    user = given(User, REGISTERED, issued("verify", 1), issued("reset", 2))
    reset(user, 2)
    assert new_events(user) == [fact(User.PasswordChanged, password_hash="other", kept_session_id=None), VERIFIED]
    with pytest.raises(LinkNotValid):
        reset(user, 2)
    with pytest.raises(LinkNotValid):
        verify(user, 1)


def test_a_new_password_of_a_verified_user_is_one_event() -> None:
    user = given(User, REGISTERED, issued(), VERIFIED, issued("reset", 2))
    reset(user, 2)
    assert new_events(user) == [fact(User.PasswordChanged, password_hash="other", kept_session_id=None)]


def test_a_verification_leaves_a_link_for_a_new_password() -> None:
    user = given(User, REGISTERED, issued("verify", 1), issued("reset", 2))
    verify(user, 1)
    reset(user, 2)
    assert user.password_hash == "other"


def test_a_verified_account_notes_once_a_day_that_it_is_registered_again() -> None:
    user = given(User, REGISTERED, issued(), VERIFIED)
    for after in (0 * DAY, DAY - timedelta(microseconds=1), DAY):
        user.repeat_registration(now=NOW + after)
    assert new_events(user) == [REPEATED, REPEATED]


def test_an_unverified_account_that_is_registered_again_takes_a_new_password() -> None:
    """Otherwise a stranger could register first, and wait until the owner of the address verifies it."""
    user = given(User, REGISTERED, issued())
    user.repeat_registration(now=NOW)
    user.repeat_registration(now=NOW + 2 * DAY)
    assert (new_events(user), user.verifying_link) == ([REPEATED_BEFORE_VERIFIED], "reset")
    with pytest.raises(LinkNotValid):
        verify(user)
    request(user, at=NOW + DAY)
    assert new_events(user) == [REPEATED_BEFORE_VERIFIED]


def test_a_closed_account_issues_no_link_and_notes_nothing() -> None:
    user = given(User, REGISTERED, DEACTIVATED)
    request(user, "verify")
    request(user, "reset")
    user.repeat_registration(now=NOW)
    assert new_events(user) == []


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
    assert new_events(user) == [fact(User.PasswordChanged, password_hash="other", kept_session_id=None)]
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
        lambda user: user.change_profile(name="Eve", avatar_url=None, now=NOW),
        lambda user: user.change_password(password_hash="other", now=NOW),
    ],
    ids=["profile", "password"],
)
@pytest.mark.parametrize("past", [[REGISTERED], [REGISTERED, VERIFIED]], ids=["unverified", "verified"])
def test_a_closed_account_does_nothing_more(command: Callable[[User], None], past: list[Fact]) -> None:
    user = given(User, *past, DEACTIVATED)
    with pytest.raises(UserIsDeactivated):
        command(user)
    assert new_events(user) == []


def test_history_alone_gives_back_an_account() -> None:
    user = register()
    request(user)
    verify(user)
    user.repeat_registration(now=NOW)
    user.change_profile(name="Ada L.", avatar_url="https://example.org/a.png", now=NOW)
    request(user, "reset", 2)
    assert state(replayed(user)) == state(user)
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


def test_every_event_that_ends_sessions_says_so_in_the_state() -> None:
    """A refresh compares its session with that."""
    user: User | None = None
    for event in life_of_user().pending_events:
        assert isinstance(event, Root.Event)
        before = 0 if user is None else user.sessions_cut
        user = event.mutate(user)
        assert user is not None
        assert user.sessions_cut == (event.originator_version if event.ends_sessions else before), event
    assert user is not None
    assert not user.keeps_session(UUID(int=3), user.sessions_cut), "the account is erased"
