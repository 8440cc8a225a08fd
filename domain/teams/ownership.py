"""Transfer of the ownership of a team: an owner offers it to a member, who accepts or declines. There is one offer.

An offer ends when one of the two leaves, is removed or gets another role.
"""

from datetime import datetime
from uuid import UUID

from domain.access import Person
from domain.teams.refusals import NoSuchOffer
from domain.teams.team import Team


def offer(team: Team, *, user_id: UUID, by: Person, now: datetime) -> None:
    """Offer the ownership to a member, in place of an earlier offer.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved: the person is not an owner, or the team was dissolved.
        NoSuchMember: the user is not a member.
    """
    team.require("transfer", by, now)
    team.require_member(user_id)
    if user_id != by.user_id and (team.offered_by, team.offered_to) != (by.user_id, user_id):
        team.trigger_event(Team.OwnershipOffered, now=now, owner_id=by.user_id, user_id=user_id)


def accept(team: Team, *, by: Person, now: datetime) -> None:
    """Make the member whom it was offered an owner, and the owner who offered it an admin.

    Raises:
        NotFound, TeamIsDissolved: the person is no member, or the team was dissolved.
        NoSuchOffer: nothing is offered to them.
    """
    owner_id = _offerer(team, by, now)
    team.trigger_event(Team.OwnershipTransferred, now=now, former_owner_id=owner_id, owner_id=by.user_id)


def decline(team: Team, *, by: Person, now: datetime) -> None:
    """Decline the offer.

    Raises:
        NotFound, TeamIsDissolved: the person is no member, or the team was dissolved.
        NoSuchOffer: nothing is offered to them.
    """
    _offerer(team, by, now)
    team.trigger_event(Team.OwnershipOfferDeclined, now=now)


def withdraw(team: Team, *, by: Person, now: datetime) -> None:
    """Withdraw the offer. Without one there is no event.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved: the person is not an owner, or the team was dissolved.
    """
    team.require("transfer", by, now)
    if team.offered_to is not None:
        team.trigger_event(Team.OwnershipOfferWithdrawn, now=now)


def _offerer(team: Team, by: Person, now: datetime) -> UUID:
    """Return the owner who offers the ownership to the person."""
    team.require("answer_transfer", by, now)
    if team.offered_by is None or team.offered_to != by.user_id:
        raise NoSuchOffer("The ownership is not offered to you; ask an owner to offer it.")
    return team.offered_by
