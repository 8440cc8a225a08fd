"""Changes of a user's email address: confirmed from both addresses, and undone from the old one within a week."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.identity.links import EMAIL_CHANGE_LIFETIME, UNDO_LIFETIME
from domain.identity.refusals import EmailChangeTooSoon, SameAddress
from domain.identity.suspension import withdraw_deletion
from domain.identity.user import User
from domain.text import email_address


@dataclass(frozen=True, slots=True)
class TokenDigests:
    """The digests of the tokens that links with one id have for each address."""

    link_id: UUID
    new: str
    old: str


def request(user: User, *, email: str, digests: TokenDigests, now: datetime) -> None:
    """Issue links to the present and to the new address. They end those of an earlier request.

    Whether the new address is free is not looked at: the answer must not show it.

    Raises:
        UserIsDeactivated, AccountIsSuspended: the account is not open.
        UnusableEmail: the text is not an address.
        SameAddress: it is the present one.
        EmailChangeTooSoon: the last change can still be undone, or `LINK_INTERVALS` allow no further request.
    """
    user.require_open()
    email = email_address(email)
    if email == user.email:
        raise SameAddress("Your account has this address already.")
    if user.former_email is not None:
        raise EmailChangeTooSoon("Your address was changed less than a week ago; wait until that cannot be undone.")
    if not user.may_request("new_email", now):
        raise EmailChangeTooSoon("You have just requested this; look into both mailboxes, or try again in an hour.")
    user.trigger_event(
        User.EmailChangeRequested,
        now=now,
        email=email,
        link_id=digests.link_id,
        new_token_digest=digests.new,
        old_token_digest=digests.old,
        expires_at=now + EMAIL_CHANGE_LIFETIME,
    )


def confirm(user: User, *, token_digest: str, undo_link_id: UUID, undo_digest: str, now: datetime) -> None:
    """Confirm the change from one address, by the token of the link to it. The second one changes the address.

    Raises:
        LinkNotValid: see `User.require_link`.
    """
    new = user.links.get("new_email")
    is_new = new is not None and hmac.compare_digest(new["digest"], token_digest)
    user.require_link("new_email" if is_new else "old_email", token_digest, now=now)
    if ("old_email" if is_new else "new_email") in user.links:
        user.trigger_event(User.EmailChangeConfirmed, now=now, address="new" if is_new else "old")
        return
    user.trigger_event(
        User.EmailChanged,
        now=now,
        email=user.new_email,
        former_email=user.email,
        link_id=undo_link_id,
        token_digest=undo_digest,
        expires_at=now + UNDO_LIFETIME,
    )


def give_way(holder: User, *, now: datetime) -> None:
    """Close an account that has never verified its address, and release the address: another user has shown it theirs.

    Of a verified one there is no event.
    """
    if not holder.email_verified:
        holder.trigger_event(User.FormerEmailReleased, now=now, former_email=holder.email)
        holder.deactivate(now=now)


def undo(user: User, *, token_digest: str, now: datetime) -> None:
    """Give the account its former address back, by the token of the link to it, and lock the password.

    Raises:
        LinkNotValid: see `User.require_link`.
    """
    user.require_link("undo_email", token_digest, now=now)
    user.trigger_event(User.EmailChangeUndone, now=now, email=user.former_email, undone_email=user.email)
    withdraw_deletion(user, now=now)


def release_former(user: User, *, now: datetime) -> None:
    """Release the former address, once the change cannot be undone any more."""
    link = user.links.get("undo_email")
    if user.former_email is None or (link is not None and now < link["expires_at"]):
        return
    user.trigger_event(User.FormerEmailReleased, now=now, former_email=user.former_email)
