"""HTTP for membership in teams: invitations, roles, leaving. Email addresses travel in bodies, never in paths."""

from uuid import UUID

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, KEYED, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body, Email
from application.teams.team import (
    AcceptInvitation,
    ChangeMemberRole,
    DeclineInvitation,
    InviteMember,
    LeaveTeam,
    RemoveMember,
    RevokeInvitation,
    TeamView,
    TransferOwnership,
)
from domain.teams.team import InvitedRole, Role

router = Router("/v1/teams/{team_id}", tag="teams")

WRITE = "teams:write"


class Invitation(Body):
    """An email address to invite, and the role that its holder gets."""

    email: Email
    role: InvitedRole = "member"


class InvitationAddress(Body):
    """The email address whose invitation is revoked."""

    email: Email


class MemberRole(Body):
    """A member's new role."""

    role: Role


class NewOwner(Body):
    """The member who becomes an owner."""

    user_id: UUID


@router.post(
    "/invitations",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=CONDITIONAL),
)
async def invite_member(team_id: UUID, body: Invitation, send: Send) -> Answer:
    """Invite the holder of an email address, who is no member. Reserves a seat for 14 days. Requires the admin role.

    The caller's own address must be verified.
    """
    return await send(InviteMember(id=team_id, email=body.email, role=body.role))


@router.post(
    "/invitations/accept",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=CONDITIONAL),
)
async def accept_invitation(team_id: UUID, send: Send) -> Answer:
    """Accept an invitation. Requires a verified email address, the invited one."""
    return await send(AcceptInvitation(id=team_id))


@router.post("/invitations/decline", **operation("The invitation is declined.", scope=WRITE, takes=KEYED, status=204))
async def decline_invitation(team_id: UUID, send: Send) -> Answer:
    """Decline an invitation."""
    return await send(DeclineInvitation(id=team_id))


@router.post(
    "/invitations/revoke",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=CONDITIONAL),
)
async def revoke_invitation(team_id: UUID, body: InvitationAddress, send: Send) -> Answer:
    """Revoke an invitation. Requires the admin role. After the response it no longer gives access to the team."""
    return await send(RevokeInvitation(id=team_id, email=body.email))


@router.put(
    "/members/{user_id}",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=CONDITIONAL),
)
async def change_member_role(team_id: UUID, user_id: UUID, body: MemberRole, send: Send) -> Answer:
    """Change a member's role. Requires the admin role, and the owner role where an owner is involved."""
    return await send(ChangeMemberRole(id=team_id, user_id=user_id, role=body.role))


@router.delete(
    "/members/{user_id}",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=CONDITIONAL),
)
async def remove_member(team_id: UUID, user_id: UUID, send: Send) -> Answer:
    """Remove a member. Requires the admin role. After the response the member can no longer see the team."""
    return await send(RemoveMember(id=team_id, user_id=user_id))


@router.post("/leave", **operation("The caller has left the team.", scope=WRITE, takes=KEYED, status=204))
async def leave_team(team_id: UUID, send: Send) -> Answer:
    """Leave a team. The last owner cannot leave."""
    return await send(LeaveTeam(id=team_id))


@router.post(
    "/owner",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=CONDITIONAL),
)
async def transfer_ownership(team_id: UUID, body: NewOwner, send: Send) -> Answer:
    """Make another member an owner in place of the caller. Requires the owner role."""
    return await send(TransferOwnership(id=team_id, user_id=body.user_id))
