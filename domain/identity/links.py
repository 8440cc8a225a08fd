"""Links that are sent by mail: what each kind is for, how long it is valid, and how often one is issued."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, TypedDict
from uuid import UUID

from domain.kernel import Forbidden

VERIFICATION_LIFETIME = timedelta(hours=24)
UNVERIFIED_LIFETIME = timedelta(days=7)
"""How long after its registration an account may be verified."""
MAX_UNVERIFIED_LIFETIME = timedelta(days=30)
"""The longest time for that, however often a link is requested: strangers may request them, too."""
RESET_LIFETIME = timedelta(hours=1)
EMAIL_CHANGE_LIFETIME = timedelta(hours=24)
UNDO_LIFETIME = timedelta(days=7)
"""How long a change of address can be undone. So long the former address is free for no other account."""
LOCKDOWN_LIFETIME = timedelta(days=14)
LOCKDOWN_KEPT = timedelta(days=7)
"""A link to lock an account is sent again while it is valid for at least so long: so those of earlier mails work."""
LINK_INTERVALS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), RESET_LIFETIME)
"""The shortest times between links of one kind: after the first one of a day, the second one, and so on.

A newer link ends the one before, and anybody may request it. So the last interval is as long as a link to set a
password is valid: however often strangers request one, the latest mail has a link that can be used.
"""
DAY = timedelta(days=1)

RequestedKind = Literal["verify", "reset"]
"""The kinds of links that anybody may request for an address."""

LinkKind = Literal["verify", "reset", "new_email", "old_email", "undo_email", "lockdown"]
"""What a link does: verify the address, set a password, confirm a change of address from the new or the old address,
undo it, lock the account."""


class LinkNotValid(Forbidden):
    """A link was never issued, or has ended."""


class Link(TypedDict):
    """An issued link. `digest`: of its token (SHA-256, hexadecimal); the token itself is stored nowhere."""

    id: UUID
    digest: str
    expires_at: datetime


def link_not_valid() -> LinkNotValid:
    """Return the refusal of a link: the same for all reasons."""
    return LinkNotValid("This link is not valid any more, or incomplete; request a new one, and use the latest mail.")


def may_be_issued(requested_at: Sequence[datetime], now: datetime) -> bool:
    """Return whether `LINK_INTERVALS` allow another link after those of these times."""
    times = [time for time in requested_at if now - time < DAY]
    return not times or now - times[-1] >= LINK_INTERVALS[min(len(times), len(LINK_INTERVALS)) - 1]


def within_a_day(requested_at: Sequence[datetime], time: datetime) -> list[datetime]:
    """Return the times of links with this latest one, and without those that are older than a day."""
    return [*(earlier for earlier in requested_at if time - earlier < DAY), time]


def verifiable_until(registered_at: datetime, requested_at: datetime) -> datetime:
    """Return when an account is erased that is not verified. `requested_at`: the time of the last link for it."""
    until = max(registered_at + UNVERIFIED_LIFETIME, requested_at + VERIFICATION_LIFETIME)
    return min(until, registered_at + MAX_UNVERIFIED_LIFETIME)
