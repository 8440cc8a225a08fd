"""What suspends an account: its deletion, which its user may withdraw for 30 days, and its lock after a misuse."""

from datetime import datetime, timedelta
from uuid import UUID

from domain.identity.events import REMINDER_BEFORE
from domain.identity.links import LOCKDOWN_KEPT, LOCKDOWN_LIFETIME
from domain.identity.user import User

DELETION_GRACE = timedelta(days=30)
"""How long an account can be had back after its deletion was requested."""


def request_deletion(user: User, *, now: datetime) -> None:
    """Hide the account and all that belongs to it, and erase it after `DELETION_GRACE`.

    Raises:
        UserIsDeactivated, AccountIsSuspended: the account is not open.
    """
    user.require_open()
    user.trigger_event(User.DeletionRequested, now=now, due=now + DELETION_GRACE)


def withdraw_deletion(user: User, *, now: datetime) -> None:
    """Keep the account after all. Without a requested deletion there is no event."""
    if user.active and user.deletion_due is not None:
        user.trigger_event(User.DeletionWithdrawn, now=now)


def remind_of_deletion(user: User, *, now: datetime) -> None:
    """Remind the user once that the account is about to be erased."""
    due = user.deletion_due
    if user.active and due is not None and not user.deletion_reminded and now >= due - REMINDER_BEFORE:
        user.trigger_event(User.DeletionReminded, now=now)


def is_to_be_erased(user: User, now: datetime) -> bool:
    """Return whether the grace of a requested deletion is over, and the user was reminded of that in time.

    A closed account gets no reminder: its erasure has begun.
    """
    due = user.deletion_due
    return not user.erased and due is not None and now >= due and (user.deletion_reminded or not user.active)


def issue_lockdown_link(user: User, *, link_id: UUID, token_digest: str, now: datetime) -> None:
    """Issue a link to lock the account, for a mail; a link that is valid for long enough is used again."""
    link = user.links.get("lockdown")
    if user.active and (link is None or link["expires_at"] - now < LOCKDOWN_KEPT):
        expires_at = now + LOCKDOWN_LIFETIME
        user.trigger_event(
            User.LockdownLinkIssued, now=now, link_id=link_id, token_digest=token_digest, expires_at=expires_at
        )


def lock_down(user: User, *, token_digest: str, now: datetime) -> None:
    """Lock the password until it is set again, and stop what a stranger may have requested.

    Raises:
        LinkNotValid: see `User.require_link`.
    """
    user.require_link("lockdown", token_digest, now=now)
    user.trigger_event(User.LockedDown, now=now)
    withdraw_deletion(user, now=now)
