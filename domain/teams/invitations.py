"""Invitations that are sent again, and those that have expired."""

from datetime import datetime
from uuid import UUID

from domain.access import Person, require_verified
from domain.teams.refusals import NoSuchInvitation
from domain.teams.team import Team


def resend(team: Team, *, address_id: UUID, email: str, by: Person, now: datetime) -> None:
    """Send an invitation again. It may be expired; from now on it is open as long as a new one.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, AddressNotVerified, InvitedRecently, TeamIsFull: see `Team.invite`.
        NoSuchInvitation: the address is not invited.
    """
    team.require("invite", by, now)
    require_verified(by)
    if address_id not in team.invited:
        raise NoSuchInvitation("That address is not invited; invite it.")
    team.renew_invitation(address_id=address_id, email=email, role=team.invited[address_id], by=by, now=now)


def expire(team: Team, *, now: datetime) -> None:
    """End the invitations whose time is over. No actor: a schedule asks for it."""
    for address_id in [address_id for address_id, until in team.invited_until.items() if until <= now]:
        team.trigger_event(Team.InvitationExpired, now=now, address_id=address_id)
