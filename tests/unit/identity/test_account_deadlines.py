"""What accounts wait for: the rows, event by event."""

from uuid import UUID

import pytest

from domain.identity import email_change, suspension
from domain.identity.email_change import TokenDigests
from domain.identity.events import REMINDER_BEFORE
from domain.identity.links import UNDO_LIFETIME
from domain.identity.suspension import DELETION_GRACE
from domain.identity.user import User
from projections.identity.account_deadline import Deadlines
from projections.kernel import Fold
from tests.support.given import ID, NOW
from tests.support.projecting import recorded

DUE = NOW + DELETION_GRACE


def opened() -> User:
    return User.register(id=ID, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)


def changed() -> User:
    user = opened()
    digests = TokenDigests(UUID(int=1), "new", "old")
    email_change.request(user, email="ada@example.com", digests=digests, now=NOW)
    for token in ("new", "old"):
        email_change.confirm(user, token_digest=token, undo_link_id=UUID(int=2), undo_digest="undo", now=NOW)
    return user


def due(user: User) -> dict[str, object]:
    """The times that are due, by kind."""
    fold = Fold(Deadlines())
    fold.fold(fold.stage(recorded(*user.pending_events)))  # type: ignore[arg-type]
    return {key[1]: row["due_at"] for key, row in fold.rows.items() if row is not None}


def test_a_former_address_is_due_until_it_is_released_or_back() -> None:
    released, undone = changed(), changed()
    assert due(released) == {"former_email": NOW + UNDO_LIFETIME}
    email_change.release_former(released, now=NOW + UNDO_LIFETIME)
    email_change.undo(undone, token_digest="undo", now=NOW)
    assert (due(released), due(undone)) == ({}, {})


def test_a_deletion_is_due_with_a_reminder_before_it() -> None:
    user = opened()
    suspension.request_deletion(user, now=NOW)
    assert due(user) == {"deletion_soon": DUE - REMINDER_BEFORE, "deletion": DUE}
    suspension.remind_of_deletion(user, now=DUE)
    assert due(user) == {"deletion": DUE + REMINDER_BEFORE}, "it was late"
    suspension.withdraw_deletion(user, now=DUE)
    assert due(user) == {}


@pytest.mark.parametrize("closed", [False, True])
def test_an_erasure_that_was_interrupted_stays_due_until_the_user_is_erased(closed: bool) -> None:
    user = changed()
    suspension.request_deletion(user, now=NOW)
    if closed:
        user.deactivate(now=DUE)
    assert due(user).keys() == {"former_email", "deletion_soon", "deletion"}
    user.erase(now=DUE)
    assert due(user) == {}
