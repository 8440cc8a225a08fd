"""Transfer of a document: its owner offers it to the holder of an email address, or to a team.

The person, or an owner or admin of the team, accepts or declines. There is one offer at a time. It ends with its time,
and when the document is moved to the trash or erased; that of a team's document holds as long as the member who made
it has such a role in the team. See `domain/decisions/0013-transfer-of-documents.md`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.access import DOCUMENT, Person, require_verified
from domain.content import refusals
from domain.content.document import Document
from domain.content.team_roles import require_by_team, role_by_team, role_of_member
from domain.kernel import Party
from domain.teams.team import Team
from domain.text import email_address

OFFER_LIFETIME = timedelta(days=14)
"""How long an offer waits for its answer."""


@dataclass(frozen=True, slots=True)
class FormerOwner:
    """A user who gives a document away, with their email address and its blind id."""

    user_id: UUID
    address_id: UUID
    email: str


def offer(document: Document, *, address_id: UUID, email: str, by: Person, now: datetime) -> None:
    """Offer the document to the holder of an email address, in place of an earlier offer.

    Raises:
        NotFound, RoleTooLow: the person does not have the role owner.
        AddressNotVerified: their own address is not verified.
        UnusableEmail: the text is not an address.
        DocumentIsTrashed, OfferedToOneself: a rule forbids it.
    """
    document.require("transfer", by)
    require_verified(by)
    document.require_untrashed()
    email = email_address(email)
    if address_id == by.address_id:
        raise refusals.OfferedToOneself("That is your own address; offer the document to another one.")
    if not (document.is_offered_to(address_id, now) and document.offered_by == by.user_id):
        document.withdraw_offer(now=now)
        offered = {"address_id": address_id, "email": email, "offered_by": by.user_id}
        document.trigger_event(Document.OwnershipOffered, now=now, **offered, expires_at=now + OFFER_LIFETIME)


def offer_to_team(document: Document, team: Team, *, by: Person, now: datetime) -> None:
    """Offer the document to a team, in place of an earlier offer.

    Raises:
        NotFound, RoleTooLow: the person does not have the role owner, or is no editor in the team.
        AddressNotVerified: their own address is not verified.
        DocumentIsTrashed, OfferedToOneself: a rule forbids it.
    """
    document.require("transfer", by)
    require_verified(by)
    document.require_untrashed()
    require_by_team("create_in_team", team, by)
    if document.owner == Party("team", team.id):
        raise refusals.OfferedToOneself("This document belongs to that team; offer it to another one.")
    if not (document.is_offered_to(team.id, now) and document.offered_by == by.user_id):
        document.withdraw_offer(now=now)
        offered = {"team_id": team.id, "offered_by": by.user_id, "expires_at": now + OFFER_LIFETIME}
        document.trigger_event(Document.OwnershipOfferedToTeam, now=now, **offered)


def accept(document: Document, team: Team | None, former: FormerOwner | Team, *, by: Person, now: datetime) -> None:
    """Make the person to whom the document is offered its owner, or the team that they answer for.

    The shares of the new owner end, and all loans. A former owner who is a user becomes an editor by a share that is
    bound to them. `team`: to which it is offered.

    Raises:
        NotFound, DocumentNotOffered, RoleTooLow: see `require_offered`.
        DocumentNotOffered: the member who has offered the document of the `former` team may not do so any more.
    """
    owner = require_offered(document, team, by, now)
    if isinstance(former, Team):
        _require_offerer(document, former)
    for share_id in document.shares_of(by) if owner.kind == "user" else ():
        document.trigger_event(Document.ShareRevoked, now=now, address_id=share_id)
    parties = {"owner_kind": owner.kind, "owner_id": owner.id}
    parties |= {"former_owner_kind": document.owner.kind, "former_owner_id": document.owner.id}
    document.trigger_event(Document.OwnershipTransferred, now=now, **parties)
    for team_id in [*document.team_shares]:
        document.end_loan(team_id, now=now)
    if isinstance(former, FormerOwner):
        _keep_as_editor(document, former, now)


def decline(document: Document, team: Team | None, *, by: Person, now: datetime) -> None:
    """Decline the offer, for oneself or for the `team` to which the document is offered.

    Raises:
        NotFound, DocumentNotOffered, RoleTooLow: see `require_offered`.
    """
    require_offered(document, team, by, now)
    document.trigger_event(Document.OwnershipOfferDeclined, now=now)


def withdraw(document: Document, *, by: Person, now: datetime) -> None:
    """Withdraw the offer. Without one there is no event.

    Raises:
        NotFound, RoleTooLow: the person does not have the role owner.
    """
    document.require("transfer", by)
    document.withdraw_offer(now=now)


def may_be_offered(document: Document, now: datetime) -> bool:
    """Return whether a document is not in the trash, and has no open offer."""
    return document.trashed_at is None and (document.offered_until is None or now >= document.offered_until)


def require_offered(document: Document, team: Team | None, by: Person, now: datetime) -> Party:
    """Return who becomes the owner if the person accepts.

    Raises:
        NotFound: the document is not offered to the person or to a team of theirs, and does not exist for them.
        DocumentNotOffered: it is not offered to them, but exists for them.
        RoleTooLow: it is offered to a team of which they are no owner or admin.
    """
    if by.address_id is not None and document.is_offered_to(by.address_id, now) and by.user_id != document.offered_by:
        return Party("user", by.user_id)
    if team is not None and document.is_offered_to(team.id, now) and role_by_team(team, by) is not None:
        require_by_team("transfer", team, by)
        return Party("team", team.id)
    document.require("read", by)
    raise _not_offered()


def _require_offerer(document: Document, team: Team) -> None:
    """Refuse an offer if its maker no longer has the role in the team that it takes. Raises `DocumentNotOffered`."""
    role = None if document.offered_by is None else role_of_member(team, document.offered_by)
    if not DOCUMENT.allows("transfer", role):
        raise _not_offered()


def _not_offered() -> refusals.DocumentNotOffered:
    return refusals.DocumentNotOffered("This document is not offered to you, or not any more; ask its owner.")


def _keep_as_editor(document: Document, former: FormerOwner, now: datetime) -> None:
    """Give the former owner a share that is bound to them. Another user may hold one by the same address: it ends."""
    address_id = former.address_id
    if document.share_users.get(address_id, former.user_id) != former.user_id:
        document.trigger_event(Document.ShareRevoked, now=now, address_id=address_id)
    if address_id not in document.shares:
        document.trigger_event(Document.Shared, now=now, address_id=address_id, email=former.email, role="editor")
    elif document.shares[address_id] != "editor":
        document.trigger_event(Document.ShareChanged, now=now, address_id=address_id, role="editor")
    if address_id not in document.share_users:
        document.trigger_event(Document.ShareBound, now=now, address_id=address_id, user_id=former.user_id)
