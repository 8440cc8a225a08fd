"""Users who have not verified their address: the rows, event by event."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.identity.email_change import give_way
from domain.identity.links import RequestedKind
from domain.identity.user import User
from projections.identity.pending_verification import PendingVerifications
from projections.kernel import Fold, Row
from tests.support.given import ID, NOW
from tests.support.projecting import recorded

LATER = NOW + timedelta(minutes=1)
DAY = timedelta(days=1)


def opened() -> User:
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    user.request_link("verify", link_id=UUID(int=1), token_digest="digest", now=NOW)
    return user


def row_of(user: User) -> Row | None:
    fold = Fold(PendingVerifications())
    fold.fold(fold.stage(recorded(*user.pending_events)))  # type: ignore[arg-type]
    return fold.rows.get((ID,))


def test_an_account_with_a_link_is_to_be_verified_within_a_week() -> None:
    assert row_of(opened()) == {"registered_at": NOW, "due_at": NOW + 7 * DAY, "position": 2}


@pytest.mark.parametrize("kind", ["verify", "reset"])
@pytest.mark.parametrize(("requested", "due"), [(1, 7), (6, 7), (7, 8), (20, 21), (30, 30), (100, 30)])
def test_links_that_are_requested_again_and_again_keep_no_account_for_ever(
    kind: RequestedKind, requested: int, due: int
) -> None:
    """An unverified account is erased 7 days after it was opened, or a day after its last link, after 30 at most."""
    user = opened()
    user.request_link(kind, link_id=UUID(int=2), token_digest="digest", now=NOW + requested * DAY)
    assert row_of(user) == {"registered_at": NOW, "due_at": NOW + due * DAY, "position": 3}


def test_an_account_of_an_earlier_version_without_a_link_is_never_due() -> None:
    user = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    assert row_of(user) == {"registered_at": NOW, "due_at": None, "position": 1}


@pytest.mark.parametrize("end", ["verified", "erased"])
def test_an_account_that_is_verified_or_erased_has_no_row(end: str) -> None:
    user = opened()
    if end == "verified":
        user.verify_email(token_digest="digest", now=LATER)
    else:
        user.erase(now=LATER)
    assert row_of(user) is None


def test_an_account_that_gave_way_or_whose_erasure_was_interrupted_is_due_at_once() -> None:
    closed, gave_way = opened(), opened()
    closed.deactivate(now=LATER)
    give_way(gave_way, now=LATER)
    assert row_of(closed) == {"registered_at": NOW, "due_at": LATER, "position": 3}
    assert row_of(gave_way) == {"registered_at": NOW, "due_at": LATER, "position": 4}


def test_a_verified_account_that_is_closed_has_no_row() -> None:
    user = opened()
    user.verify_email(token_digest="digest", now=LATER)
    user.deactivate(now=LATER)
    assert row_of(user) is None
