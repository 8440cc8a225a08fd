"""Free seats, and members who come without an invitation."""

from datetime import datetime
from uuid import UUID

from domain.teams.refusals import AlreadyAMember, TeamIsFull
from domain.teams.roles import InvitedRole
from domain.teams.team import Team


def has_seat(team: Team, address_id: UUID, now: datetime) -> bool:
    """Return whether a seat is free for the holder of an address: also the one that their invitation holds."""
    return team.seats_taken(now) - team.is_open(address_id, now) < team.seats


def require_seat(team: Team, address_id: UUID, now: datetime) -> None:
    """Refuse the holder of an address without a free seat.

    Raises:
        TeamIsFull
    """
    if not has_seat(team, address_id, now):
        members, invitations = len(team.members), team.seats_taken(now) - len(team.members)
        raise TeamIsFull(
            f"The team has {team.seats} seats (members: {members}, open invitations: {invitations}). Remove members,"
            " revoke invitations, or take a plan with more seats."
        )


def add_member(team: Team, *, user_id: UUID, address_id: UUID, role: InvitedRole, now: datetime) -> None:
    """Make a user a member, on a seat that is free. Who may decide that is for the caller to check.

    `address_id`: the user's verified address. An invitation of it ends: it would outlive the membership.

    Raises:
        AlreadyAMember: they are one.
        TeamIsFull: no seat is free.
    """
    if user_id in team.members:
        raise AlreadyAMember("That user is a member already; change their role instead.")
    require_seat(team, address_id, now)
    if address_id in team.invited:
        team.trigger_event(Team.InvitationRevoked, now=now, address_id=address_id)
    team.trigger_event(Team.MemberJoined, now=now, user_id=user_id, role=role)
