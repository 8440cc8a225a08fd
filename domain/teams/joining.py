"""Members who come without an invitation."""

from datetime import datetime
from uuid import UUID

from domain.teams.refusals import AlreadyAMember, TeamIsFull
from domain.teams.roles import InvitedRole
from domain.teams.team import Team


def add_member(team: Team, *, user_id: UUID, role: InvitedRole, now: datetime) -> None:
    """Make a user a member, on a seat that is free. Who may decide that is for the caller to check.

    Raises:
        AlreadyAMember: they are one.
        TeamIsFull: no seat is free.
    """
    if user_id in team.members:
        raise AlreadyAMember("That user is a member already; change their role instead.")
    if team.seats_taken(now) >= team.seats:
        raise TeamIsFull(f"All {team.seats} seats are taken or held by invitations; free one or add seats.")
    team.trigger_event(Team.MemberJoined, now=now, user_id=user_id, role=role)
