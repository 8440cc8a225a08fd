"""What the erasure of a user, an address or a document does to documents. No actor: the law asks for it."""

from datetime import datetime
from uuid import UUID

from domain.content.document import Document
from domain.kernel import Party


def is_of(document: Document, owner: Party) -> bool:
    """Return whether the document is one of the user or team that is being erased."""
    return document.owner == owner


def erase_document(document: Document, *, now: datetime) -> None:
    """End all shares, loans and the offer, and erase the document. A second erasure causes no event."""
    if document.erased:
        return
    document.withdraw_offer(now=now)
    for address_id in [*document.shares]:
        forget_address(document, address_id, now=now)
    for team_id in [*document.team_shares]:
        document.end_loan(team_id, now=now)
    document.trigger_event(Document.Erased, now=now)


def forget_address(document: Document, address_id: UUID, *, now: datetime) -> None:
    """Revoke the share of an address that is being erased, and an offer to it, whatever the state of the document."""
    if document.offered_to == address_id:
        document.withdraw_offer(now=now)
    if address_id in document.shares:
        document.trigger_event(Document.ShareRevoked, now=now, address_id=address_id)


def forget_user(document: Document, user_id: UUID, *, now: datetime) -> None:
    """Revoke the shares that are bound to a user who is being erased, whatever the state of the document."""
    for address_id in [address_id for address_id, holder in document.share_users.items() if holder == user_id]:
        forget_address(document, address_id, now=now)
