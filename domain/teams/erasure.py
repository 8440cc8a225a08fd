"""What the erasure of a user, an address or a team does to teams. No actor: the law asks for it, not a member."""

from datetime import datetime
from uuid import UUID

from domain.teams.roles import successor
from domain.teams.team import Team


def ends_with(team: Team, user_id: UUID) -> bool:
    """Return whether a user who is being erased leaves no owner and no one to follow: then the team is erased, too."""
    return user_id in team.members and _owner_after(team, user_id) is None


def end_membership(team: Team, user_id: UUID, *, now: datetime) -> None:
    """End the membership of a user who is being erased, in a team that has other members.

    The last owner is followed by the admin who joined first, else by the first editor, else by the first viewer.
    """
    if user_id not in team.members:
        return
    owner_id = _owner_after(team, user_id)
    if owner_id is not None and team.members[owner_id] != "owner":
        team.trigger_event(Team.MemberRoleChanged, now=now, user_id=owner_id, role="owner")
    team.end_offer_of(user_id, now=now)
    team.trigger_event(Team.MemberRemoved, now=now, user_id=user_id)


def _owner_after(team: Team, user_id: UUID) -> UUID | None:
    """Return an owner, or who becomes one, once a member is gone."""
    return successor({other: role for other, role in team.members.items() if other != user_id})


def withdraw_invitation(team: Team, address_id: UUID, *, now: datetime) -> None:
    """Revoke the invitation of an address that is being erased."""
    if address_id in team.invited:
        team.trigger_event(Team.InvitationRevoked, now=now, address_id=address_id)


def erase_team(team: Team, *, now: datetime) -> None:
    """End all invitations, domains and memberships, and erase the team. A second erasure causes no event."""
    if team.erased:
        return
    for address_id in [*team.invited]:
        withdraw_invitation(team, address_id, now=now)
    for domain_id in [*team.domains]:
        team.give_up_domain(domain_id, now=now)
    for user_id in [*team.members]:
        team.end_offer_of(user_id, now=now)
        team.trigger_event(Team.MemberRemoved, now=now, user_id=user_id)
    team.trigger_event(Team.Erased, now=now)
