"""What the erasure of a user, an address or a team does to teams. No actor: the law asks for it, not a member."""

from datetime import datetime
from uuid import UUID

from domain.teams.team import Team


def ends_with(team: Team, user_id: UUID) -> bool:
    """Return whether the team has no other member than a user who is being erased: then it is erased, too."""
    return team.members.keys() == {user_id}


def end_membership(team: Team, user_id: UUID, *, now: datetime) -> None:
    """End the membership of a user who is being erased, in a team that has other members.

    The last owner is followed by the first admin, else by the first member, in the order in which they joined.
    """
    role = team.members.get(user_id)
    if role is None:
        return
    others = {other: theirs for other, theirs in team.members.items() if other != user_id}
    if role == "owner" and "owner" not in others.values():
        successor = next((other for other, theirs in others.items() if theirs == "admin"), next(iter(others)))
        team.trigger_event(Team.MemberRoleChanged, now=now, user_id=successor, role="owner")
    team.trigger_event(Team.MemberRemoved, now=now, user_id=user_id)


def withdraw_invitation(team: Team, address_id: UUID, *, now: datetime) -> None:
    """Revoke the invitation of an address that is being erased."""
    if address_id in team.invited:
        team.trigger_event(Team.InvitationRevoked, now=now, address_id=address_id)


def erase_team(team: Team, *, now: datetime) -> None:
    """End all invitations and memberships, and erase the team. A second erasure causes no event."""
    if team.erased:
        return
    for address_id in [*team.invited]:
        withdraw_invitation(team, address_id, now=now)
    for user_id in [*team.members]:
        team.trigger_event(Team.MemberRemoved, now=now, user_id=user_id)
    team.trigger_event(Team.Erased, now=now)
