"""Accounts that wait for their deletion, and accounts that were locked; terms of use."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from domain.identity import suspension
from domain.identity.events import REMINDER_BEFORE
from domain.identity.links import LOCKDOWN_KEPT, LOCKDOWN_LIFETIME, LinkNotValid
from domain.identity.refusals import AccountIsSuspended
from domain.identity.suspension import DELETION_GRACE
from domain.identity.terms import UnusableTermsVersion
from domain.identity.user import User
from tests.support.given import NOW, Fact, fact, given, new_events

PAST = (
    fact(User.Registered, email="ada@example.org", name="Ada", password_hash="hash"),
    fact(User.EmailVerified),
)
REQUESTED = fact(User.DeletionRequested, due=NOW + DELETION_GRACE)
REMINDED = fact(User.DeletionReminded)
WITHDRAWN = fact(User.DeletionWithdrawn)
LINK = fact(User.LockdownLinkIssued, link_id=UUID(int=1), token_digest="lock", expires_at=NOW + LOCKDOWN_LIFETIME)


def issue(user: User, *, after: timedelta = timedelta()) -> None:
    suspension.issue_lockdown_link(user, link_id=UUID(int=1), token_digest="lock", now=NOW + after)


def test_a_deletion_is_requested_for_thirty_days_later_and_may_be_withdrawn() -> None:
    user = given(User, *PAST)
    suspension.request_deletion(user, now=NOW)
    assert user.deletion_due == NOW + timedelta(days=30)
    with pytest.raises(AccountIsSuspended):
        suspension.request_deletion(user, now=NOW)
    for _ in range(2):
        suspension.withdraw_deletion(user, now=NOW)
    assert new_events(user) == [REQUESTED, WITHDRAWN]
    user.change_profile(name="Ada L.", avatar_url=None, now=NOW)


def test_asvs_7_4_2_a_deletion_ends_all_sessions_and_hides_the_profile() -> None:
    assert User.DeletionRequested.ends_sessions
    assert User.DeletionRequested.revokes == ("user_profile",)


@pytest.mark.parametrize("past", [[REQUESTED], [LINK, fact(User.LockedDown)]], ids=["deletion", "lock"])
def test_a_suspended_account_does_nothing_but_come_back(past: list[Fact]) -> None:
    user = given(User, *PAST, *past)
    commands: list[Callable[[], None]] = [
        lambda: user.change_profile(name="Eve", avatar_url=None, now=NOW),
        lambda: user.change_password(password_hash="other", now=NOW),
        lambda: user.accept_terms("1", now=NOW),
        lambda: suspension.request_deletion(user, now=NOW),
    ]
    for command in commands:
        with pytest.raises(AccountIsSuspended):
            command()
    assert new_events(user) == []


@pytest.mark.parametrize("late", [timedelta(), timedelta(days=5)])
def test_an_account_is_erased_three_days_after_its_reminder(late: timedelta) -> None:
    user = given(User, *PAST, REQUESTED)
    reminded = NOW + DELETION_GRACE - REMINDER_BEFORE + late
    assert not suspension.is_to_be_erased(user, reminded)
    suspension.remind_of_deletion(user, now=reminded)
    end = reminded + timedelta(days=3)
    assert user.deletion_due == end
    assert [suspension.is_to_be_erased(user, now) for now in (end - timedelta(seconds=1), end)] == [False, True]


@pytest.mark.parametrize(
    ("past", "to_be_erased"),
    [
        ([REQUESTED], False),
        ([REQUESTED, REMINDED], True),
        ([REQUESTED, fact(User.Deactivated)], True),
        ([REQUESTED, REMINDED, WITHDRAWN], False),
        ([REQUESTED, REMINDED, fact(User.Erased)], False),
    ],
    ids=["not reminded", "reminded", "closed", "withdrawn", "erased"],
)
def test_an_open_account_is_not_erased_without_a_reminder(past: list[Fact], to_be_erased: bool) -> None:
    assert suspension.is_to_be_erased(given(User, *PAST, *past), NOW + DELETION_GRACE) == to_be_erased


def test_a_user_is_reminded_once_shortly_before_the_end() -> None:
    user = given(User, *PAST, REQUESTED)
    begins = NOW + DELETION_GRACE - REMINDER_BEFORE
    for now in (begins - timedelta(seconds=1), begins, begins):
        suspension.remind_of_deletion(user, now=now)
    assert new_events(user) == [REMINDED]
    kept = given(User, *PAST, REQUESTED, WITHDRAWN)
    suspension.remind_of_deletion(kept, now=begins)
    assert new_events(kept) == []


def test_a_forgotten_password_can_be_set_during_the_grace() -> None:
    user = given(User, *PAST, REQUESTED)
    user.request_link("reset", link_id=UUID(int=2), token_digest="reset", now=NOW)
    user.reset_password(token_digest="reset", password_hash="other", now=NOW)
    assert user.deletion_due is not None


def test_a_link_to_lock_the_account_is_sent_again_while_it_is_valid_for_long_enough() -> None:
    user = given(User, *PAST)
    for after in (timedelta(), LOCKDOWN_LIFETIME - LOCKDOWN_KEPT, LOCKDOWN_LIFETIME - LOCKDOWN_KEPT / 2):
        issue(user, after=after)
    assert [event.timestamp - NOW for event in user.pending_events] == [
        timedelta(),
        LOCKDOWN_LIFETIME - LOCKDOWN_KEPT / 2,
    ]
    closed = given(User, *PAST, fact(User.Deactivated))
    issue(closed)
    assert new_events(closed) == []


def test_a_locked_account_takes_no_password_until_it_is_set_again() -> None:
    user = given(User, *PAST, LINK)
    suspension.lock_down(user, token_digest="lock", now=NOW)
    assert (new_events(user), user.may_log_in) == ([fact(User.LockedDown)], False)
    with pytest.raises(LinkNotValid):
        suspension.lock_down(user, token_digest="lock", now=NOW)
    user.request_link("reset", link_id=UUID(int=2), token_digest="reset", now=NOW)
    user.reset_password(token_digest="reset", password_hash="other", now=NOW)
    assert user.may_log_in


def test_a_lock_keeps_the_account_and_stops_a_change_of_address() -> None:
    change = fact(
        User.EmailChangeRequested,
        email="eve@example.org",
        link_id=UUID(int=3),
        new_token_digest="new",
        old_token_digest="old",
        expires_at=NOW + timedelta(days=1),
    )
    user = given(User, *PAST, LINK, change, REQUESTED)
    suspension.lock_down(user, token_digest="lock", now=NOW)
    assert new_events(user) == [fact(User.LockedDown), WITHDRAWN]
    assert (user.new_email, user.deletion_due, {*user.links}) == (None, None, set())


def test_a_link_to_lock_expires_and_outlives_a_change_of_the_password() -> None:
    user = given(User, *PAST, LINK, fact(User.PasswordChanged, password_hash="theirs"))
    with pytest.raises(LinkNotValid):
        suspension.lock_down(user, token_digest="lock", now=NOW + LOCKDOWN_LIFETIME)
    suspension.lock_down(user, token_digest="lock", now=NOW)
    assert not user.may_log_in


def test_a_version_of_the_terms_is_accepted_once() -> None:
    user = given(User, *PAST)
    for version in ("2026-11", "2026-11", "2027-1"):
        user.accept_terms(version, now=NOW)
    accepted = [fact(User.TermsAccepted, terms_version=version) for version in ("2026-11", "2027-1")]
    assert (new_events(user), user.terms_version) == (accepted, "2027-1")
    for text in ("", "yes", "2026-11 ", "1.2.3.4.5", "12345"):
        with pytest.raises(UnusableTermsVersion):
            user.accept_terms(text, now=NOW)


def test_another_hash_of_the_password_ends_no_link_and_no_session() -> None:
    user = given(User, *PAST, LINK)
    user.rehash_password(password_hash="better", now=NOW)
    assert new_events(user) == [fact(User.PasswordRehashed, password_hash="better")]
    assert ({*user.links}, User.PasswordRehashed.ends_sessions) == ({"lockdown"}, False)
