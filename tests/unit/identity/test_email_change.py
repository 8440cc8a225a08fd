"""Changes of address: both addresses confirm, and the old one undoes it within a week."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.identity import email_change, suspension
from domain.identity.email_change import TokenDigests
from domain.identity.links import EMAIL_CHANGE_LIFETIME, UNDO_LIFETIME, LinkNotValid
from domain.identity.refusals import AccountIsSuspended, EmailChangeTooSoon, SameAddress
from domain.identity.user import User
from domain.kernel import Claim
from domain.text import UnusableEmail
from tests.support.given import NOW, fact, given, new_events

OLD, NEW = "ada@example.org", "ada@example.com"
PAST = (fact(User.Registered, email=OLD, name="Ada", password_hash="hash"), fact(User.EmailVerified))
REQUESTED = fact(
    User.EmailChangeRequested,
    email=NEW,
    link_id=UUID(int=1),
    new_token_digest="new",
    old_token_digest="old",
    expires_at=NOW + EMAIL_CHANGE_LIFETIME,
)
CHANGED = fact(
    User.EmailChanged,
    email=NEW,
    former_email=OLD,
    link_id=UUID(int=2),
    token_digest="undo",
    expires_at=NOW + UNDO_LIFETIME,
)
DAY = timedelta(days=1)


def request(user: User, email: str = NEW, *, after: timedelta = timedelta()) -> None:
    email_change.request(user, email=email, digests=TokenDigests(UUID(int=1), "new", "old"), now=NOW + after)


def confirm(user: User, token: str, *, after: timedelta = timedelta()) -> None:
    email_change.confirm(user, token_digest=token, undo_link_id=UUID(int=2), undo_digest="undo", now=NOW + after)


def undo(user: User, *, after: timedelta = timedelta()) -> None:
    email_change.undo(user, token_digest="undo", now=NOW + after)


def test_a_request_changes_nothing_yet() -> None:
    user = given(User, *PAST)
    request(user, " ADA@example.com")
    assert new_events(user) == [REQUESTED]
    assert user.email == OLD


@pytest.mark.parametrize(("first", "second"), [("new", "old"), ("old", "new")])
def test_the_address_changes_when_both_have_confirmed_in_any_order(first: str, second: str) -> None:
    user = given(User, *PAST, REQUESTED)
    confirm(user, first)
    assert user.email == OLD
    confirm(user, second)
    assert new_events(user) == [fact(User.EmailChangeConfirmed, address=first), CHANGED]
    assert (user.email, user.former_email, user.verified_addresses) == (NEW, OLD, [NEW, OLD])


@pytest.mark.parametrize("token", ["new", "old"])
def test_one_address_alone_changes_nothing_however_often_it_confirms(token: str) -> None:
    user = given(User, *PAST, REQUESTED)
    confirm(user, token)
    with pytest.raises(LinkNotValid):
        confirm(user, token)
    assert user.email == OLD


def test_links_to_confirm_end_after_a_day_and_with_a_new_request() -> None:
    late = given(User, *PAST, REQUESTED)
    with pytest.raises(LinkNotValid):
        confirm(late, "new", after=EMAIL_CHANGE_LIFETIME)
    with pytest.raises(LinkNotValid):
        confirm(given(User, *PAST), "new")


def test_the_new_address_is_claimed_and_the_old_one_kept_until_the_change_cannot_be_undone() -> None:
    user = given(User, *PAST, REQUESTED)
    confirm(user, "new")
    confirm(user, "old")
    email_change.release_former(user, now=NOW + UNDO_LIFETIME - DAY)
    email_change.release_former(user, now=NOW + UNDO_LIFETIME)
    email_change.release_former(user, now=NOW + UNDO_LIFETIME)
    _, changed, released = user.pending_events
    assert isinstance(changed, User.EmailChanged)
    assert isinstance(released, User.FormerEmailReleased)
    assert [*changed.claims()] == [Claim("email", f"1 {NEW}")]
    assert [*changed.releases()] == []
    assert [*released.releases()] == [Claim("email", f"1 {OLD}")]
    assert user.verified_addresses == [NEW]


def test_asvs_7_4_3_a_change_and_its_undoing_end_all_sessions() -> None:
    assert User.EmailChanged.ends_sessions
    assert User.EmailChangeUndone.ends_sessions


def test_the_old_address_undoes_the_change_and_the_password_works_no_more() -> None:
    user = given(User, *PAST, REQUESTED, CHANGED)
    undo(user, after=UNDO_LIFETIME - DAY)
    assert new_events(user) == [fact(User.EmailChangeUndone, email=OLD, undone_email=NEW)]
    event = user.pending_events[0]
    assert isinstance(event, User.EmailChangeUndone)
    assert [*event.releases()] == [Claim("email", f"1 {NEW}")]
    assert (user.email, user.former_email, user.may_log_in) == (OLD, None, False)
    with pytest.raises(LinkNotValid):
        undo(user)


def test_after_a_week_a_change_cannot_be_undone() -> None:
    user = given(User, *PAST, REQUESTED, CHANGED)
    with pytest.raises(LinkNotValid):
        undo(user, after=UNDO_LIFETIME)


def test_nothing_that_a_thief_of_the_new_address_does_ends_the_link_to_undo() -> None:
    user = given(User, *PAST, REQUESTED, CHANGED)
    user.change_password(password_hash="theirs", now=NOW)
    with pytest.raises(EmailChangeTooSoon):
        request(user, "another@example.com", after=DAY)
    suspension.request_deletion(user, now=NOW)
    undo(user, after=DAY)
    assert (user.email, user.deletion_due) == (OLD, None)


def test_after_an_undoing_a_link_for_a_new_password_is_issued_whatever_was_requested_before() -> None:
    reset = fact(
        User.PasswordResetRequested, link_id=UUID(int=3), token_digest="reset", expires_at=NOW + timedelta(hours=1)
    )
    user = given(User, *PAST, REQUESTED, CHANGED, *([reset] * 4))
    undo(user)
    with pytest.raises(LinkNotValid):
        user.reset_password(token_digest="reset", password_hash="theirs", now=NOW)
    user.request_link("reset", link_id=UUID(int=4), token_digest="own", now=NOW)
    user.reset_password(token_digest="own", password_hash="own", now=NOW)
    assert user.may_log_in


def test_a_new_password_stops_a_requested_change() -> None:
    user = given(User, *PAST, REQUESTED)
    user.change_password(password_hash="other", now=NOW)
    with pytest.raises(LinkNotValid):
        confirm(user, "new")
    assert user.new_email is None


def test_requests_come_ever_more_rarely() -> None:
    user = given(User, *PAST, REQUESTED)
    with pytest.raises(EmailChangeTooSoon):
        request(user, after=timedelta(seconds=59))
    request(user, "other@example.com", after=timedelta(minutes=1))
    assert user.new_email == "other@example.com"


def test_a_request_needs_another_address_and_an_open_account() -> None:
    user = given(User, *PAST)
    with pytest.raises(SameAddress):
        request(user, "ADA@example.org")
    with pytest.raises(UnusableEmail):
        request(user, "ada")
    suspension.request_deletion(user, now=NOW)
    with pytest.raises(AccountIsSuspended):
        request(user)


@pytest.mark.parametrize("verified", [True, False])
def test_only_an_account_that_was_never_verified_gives_way(verified: bool) -> None:
    holder = given(User, *PAST[: 2 if verified else 1])
    email_change.give_way(holder, now=NOW)
    released = fact(User.FormerEmailReleased, former_email=OLD)
    assert new_events(holder) == ([] if verified else [released, fact(User.Deactivated)])
