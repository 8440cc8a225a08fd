"""Shares of a document: its owner gives roles to email addresses, and their holders may give them back."""

from datetime import datetime
from uuid import UUID

from domain.access import Person, require_verified
from domain.content import refusals
from domain.content.document import Document
from domain.content.roles import ShareRole
from domain.kernel import Party
from domain.text import email_address

MAX_SHARES = 1_000


def share(document: Document, *, address_id: UUID, email: str, role: ShareRole, by: Person, now: datetime) -> None:
    """Give a role to the holder of an email address, who may register later.

    Raises:
        NotFound, RoleTooLow: the person is not the owner.
        AddressNotVerified: their own address is not verified.
        UnusableEmail: the text is not an address.
        DocumentIsTrashed, SharedWithOneself, TooManyShares: a rule forbids it.
    """
    document.require("share", by)
    require_verified(by)
    document.require_untrashed()
    email = email_address(email)
    if address_id == by.address_id:
        raise refusals.SharedWithOneself("You own this document; share it with another address.")
    if address_id in document.shares:
        _change_share(document, address_id, role, now)
        return
    _require_room(document)
    document.trigger_event(Document.Shared, now=now, address_id=address_id, email=email, role=role)


def give(
    document: Document, *, user_id: UUID, address_id: UUID, email: str, role: ShareRole, by: Person, now: datetime
) -> None:
    """Give a role to a user, by a share of their verified address that is bound to them at once.

    A share that the user has already gets the role instead.

    Raises:
        NotFound, RoleTooLow: the person may not share the document.
        AddressNotVerified: their own address is not verified.
        DocumentIsTrashed, SharedWithOneself, AddressIsBound, TooManyShares: a rule forbids it.
    """
    document.require("share", by)
    require_verified(by)
    document.require_untrashed()
    if document.owner == Party("user", user_id):
        raise refusals.SharedWithOneself("That user owns this document.")
    held = next((held for held, holder in document.share_users.items() if holder == user_id), address_id)
    if document.share_users.get(held, user_id) != user_id:
        raise refusals.AddressIsBound("A former holder of that address has its share; revoke it first.")
    if held in document.shares:
        _change_share(document, held, role, now)
    else:
        _require_room(document)
        document.trigger_event(Document.Shared, now=now, address_id=address_id, email=email, role=role)
    if held not in document.share_users:
        document.trigger_event(Document.ShareBound, now=now, address_id=held, user_id=user_id)


def change_share(document: Document, *, address_id: UUID, role: ShareRole, by: Person, now: datetime) -> None:
    """Change the role of an address that the document is shared with.

    Raises:
        NotFound, RoleTooLow: the person is not the owner.
        AddressNotVerified: their own address is not verified.
        NoSuchShare: the document is not shared with the address.
        DocumentIsTrashed: the document is in the trash.
    """
    document.require("share", by)
    require_verified(by)
    document.require_untrashed()
    if address_id not in document.shares:
        raise refusals.NoSuchShare("This document is not shared with that address; share it first.")
    _change_share(document, address_id, role, now)


def revoke_share(document: Document, *, address_id: UUID, by: Person, now: datetime) -> None:
    """Take the role of an address away. Allowed in the trash, too.

    Raises:
        NotFound, RoleTooLow: the person is not the owner.
    """
    document.require("share", by)
    if address_id in document.shares:
        document.trigger_event(Document.ShareRevoked, now=now, address_id=address_id)


def leave(document: Document, *, by: Person, now: datetime) -> None:
    """Give the person's shares back. Allowed in the trash, too.

    Raises:
        NotFound: the document does not exist for them.
        OwnerHasNoShare: they own it.
    """
    document.require("leave", by)
    if document.owner == Party("user", by.user_id):
        raise refusals.OwnerHasNoShare("You own this document; move it to the trash instead.")
    for address_id in document.shares_of(by):
        document.trigger_event(Document.ShareRevoked, now=now, address_id=address_id)


def bind_share(document: Document, *, by: Person, now: datetime) -> None:
    """Bind the share of the person's address to them, if it is bound to no user yet.

    Raises:
        NotFound: the document does not exist for them.
    """
    document.require("read", by)
    address_id = document.unused_share_of(by)
    if address_id is not None:
        document.trigger_event(Document.ShareBound, now=now, address_id=address_id, user_id=by.user_id)


def _change_share(document: Document, address_id: UUID, role: ShareRole, now: datetime) -> None:
    if document.shares[address_id] != role:
        document.trigger_event(Document.ShareChanged, now=now, address_id=address_id, role=role)


def _require_room(document: Document) -> None:
    if len(document.shares) >= MAX_SHARES:
        raise refusals.TooManyShares(f"A document has at most {MAX_SHARES} shares; revoke one first.")
