"""Invitations to a team: made, sent again, answered, revoked, expired."""

from datetime import datetime
from uuid import UUID

from domain.access import Person, require_verified
from domain.kernel import NotFound
from domain.teams.invitation_times import INVITATION_LIFETIME, require_interval
from domain.teams.joining import require_seat
from domain.teams.refusals import (
    AlreadyAMember,
    DissolutionIsRequested,
    InvitationExpired,
    NoSuchInvitation,
    TeamIsDissolved,
    TeamIsFull,
)
from domain.teams.roles import InvitedRole
from domain.teams.team import Team
from domain.text import email_address


def invite(
    team: Team,
    *,
    address_id: UUID,
    email: str,
    role: InvitedRole,
    by: Person,
    now: datetime,
    user_id: UUID | None = None,
) -> None:
    """Hold a seat for the holder of an email address, who may register later. `user_id`: whose account has it now.

    A second invitation with another role, or after the first expired, replaces it.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved: the person may not do it.
        AddressNotVerified: their own address is not verified.
        UnusableEmail: the text is not an address.
        AlreadyAMember: it is the address of a member, who could not accept.
        InvitedRecently, TeamIsFull: see `_renew`.
    """
    team.require("invite", by, now)
    require_verified(by)
    email = email_address(email)
    if address_id == by.address_id:
        raise AlreadyAMember("That is your own address; invite another one.")
    if user_id in team.members:
        raise AlreadyAMember("The holder of that address is a member already; change their role instead.")
    if not team.is_open(address_id, now) or team.invited[address_id] != role:
        _renew(team, address_id=address_id, email=email, role=role, by=by, now=now)


def _renew(team: Team, *, address_id: UUID, email: str, role: InvitedRole, by: Person, now: datetime) -> None:
    """Hold a seat for an address from now on. The invitation is sent.

    Raises:
        InvitedRecently, TeamIsFull: the last mail was sent a short time ago, or no seat is free.
    """
    require_interval(team.invited_until.get(address_id), now=now)
    require_seat(team, address_id, now)
    team.trigger_event(
        Team.MemberInvited,
        now=now,
        address_id=address_id,
        email=email,
        role=role,
        expires_at=now + INVITATION_LIFETIME,
        invited_by=by.user_id,
    )


def accept(team: Team, *, by: Person, now: datetime) -> None:
    """Make the invited person a member, with the role of the invitation.

    Raises:
        NotFound: the actor's address is not invited.
        TeamIsDissolved, DissolutionIsRequested: the team was dissolved, or an owner has requested that.
        AlreadyAMember: the actor became a member through another address.
        InvitationExpired: the invitation has expired.
        TeamIsFull: no seat is free. The invitation held one, so only fewer seats or wrong clocks lead to this.
    """
    if by.user_id in team.members and by.address_id not in team.invited:
        return
    address_id = _invitation_of(team, by)
    if by.user_id in team.members:
        raise AlreadyAMember("You are a member already; decline the invitation.")
    if team.dissolution_due is not None:
        raise DissolutionIsRequested("This team is about to be dissolved; ask an owner to withdraw that.")
    if not team.is_open(address_id, now):
        raise InvitationExpired("This invitation has expired; ask for a new one.")
    if len(team.members) >= team.seats:
        raise TeamIsFull(
            f"The team has {team.seats} seats (members: {len(team.members)}). Ask an owner for a seat, then accept."
        )
    role = team.invited[address_id]
    team.trigger_event(Team.InvitationAccepted, now=now, address_id=address_id, user_id=by.user_id, role=role)


def decline(team: Team, *, by: Person, now: datetime) -> None:
    """Decline the invitation.

    Raises:
        NotFound: the actor's address is not invited.
        TeamIsDissolved: the team was dissolved.
    """
    team.trigger_event(Team.InvitationDeclined, now=now, address_id=_invitation_of(team, by))


def revoke(team: Team, *, address_id: UUID, by: Person, now: datetime) -> None:
    """Revoke an invitation.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved: the person may not do it.
    """
    team.require("revoke_invitation", by, now)
    if address_id in team.invited:
        team.trigger_event(Team.InvitationRevoked, now=now, address_id=address_id)


def _invitation_of(team: Team, person: Person) -> UUID:
    if person.address_id is None or person.address_id not in team.invited:
        raise NotFound("There is no such team.")
    if team.dissolved_at is not None:
        raise TeamIsDissolved("This team was dissolved; the invitation is no longer valid.")
    return person.address_id


def resend(team: Team, *, address_id: UUID, email: str, by: Person, now: datetime) -> None:
    """Send an invitation again. It may be expired; from now on it is open as long as a new one.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, AddressNotVerified, InvitedRecently, TeamIsFull: see `invite`.
        NoSuchInvitation: the address is not invited.
    """
    team.require("invite", by, now)
    require_verified(by)
    if address_id not in team.invited:
        raise NoSuchInvitation("That address is not invited; invite it.")
    _renew(team, address_id=address_id, email=email, role=team.invited[address_id], by=by, now=now)


def expire(team: Team, *, now: datetime) -> None:
    """End the invitations whose time is over. No actor: a schedule asks for it."""
    for address_id in [address_id for address_id, until in team.invited_until.items() if until <= now]:
        team.trigger_event(Team.InvitationExpired, now=now, address_id=address_id)
