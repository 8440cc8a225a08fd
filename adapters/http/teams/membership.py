"""HTTP for membership in teams: roles, removing, leaving."""

from uuid import UUID

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, KEYED, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body
from application.teams.team import (
    ChangeMemberRole,
    LeaveTeam,
    RemoveMember,
    TeamView,
)
from domain.access import TEAM
from domain.teams.roles import Role

router = Router("/v1/teams/{team_id}", tag="teams")


class MemberRole(Body):
    """A member's new role."""

    role: Role


@router.put(
    "/members/{user_id}",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("manage_members"), takes=CONDITIONAL),
)
async def change_member_role(team_id: UUID, user_id: UUID, body: MemberRole, send: Send) -> Answer:
    """Change a member's role. Requires the admin role, and the owner role where an owner is involved."""
    return await send(ChangeMemberRole(id=team_id, user_id=user_id, role=body.role))


@router.delete(
    "/members/{user_id}",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("manage_members"), takes=CONDITIONAL),
)
async def remove_member(team_id: UUID, user_id: UUID, send: Send) -> Answer:
    """Remove a member. Requires the admin role. After the response the member can no longer see the team."""
    return await send(RemoveMember(id=team_id, user_id=user_id))


@router.post(
    "/leave", **operation("The caller has left the team.", access=TEAM.action("leave"), takes=KEYED, status=204)
)
async def leave_team(team_id: UUID, send: Send) -> Answer:
    """Leave a team. The last owner cannot leave."""
    return await send(LeaveTeam(id=team_id))
