"""HTTP for who is in a team: invite, answer, manage, leave. Addresses travel in bodies, never in paths."""

from uuid import UUID

from fastapi import APIRouter

from adapters.http.api.commands import Send
from adapters.http.api.openapi import EXAMPLE_ID, KEYED, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routing import ApiRoute
from adapters.http.api.schemas import Body, Email, shown
from adapters.http.teams.team import TEAM, WRITE
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

router = APIRouter(prefix="/v1/teams/{team_id}", route_class=ApiRoute, tags=["teams"])


class Invitation(Body):
    """Whom to invite, and as what."""

    model_config = shown({"email": "grace@example.org", "role": "member"})
    email: Email
    role: InvitedRole = "member"


class InvitationAddress(Body):
    """Whose invitation is taken back."""

    model_config = shown({"email": "grace@example.org"})
    email: Email


class MemberRole(Body):
    """What a member is from now on."""

    model_config = shown({"role": "admin"})
    role: Role


class NewOwner(Body):
    """Who owns the team from now on."""

    model_config = shown({"user_id": EXAMPLE_ID})
    user_id: UUID


@router.post(
    "/invitations",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=KEYED, example=TEAM),
)
async def invite_member(team_id: UUID, body: Invitation, send: Send) -> Answer:
    """Invite the holder of an email address, who has a seat held for 14 days. Takes an admin."""
    return await send(InviteMember(id=team_id, email=body.email, role=body.role))


@router.post(
    "/invitations/accept",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=KEYED, example=TEAM),
)
async def accept_invitation(team_id: UUID, send: Send) -> Answer:
    """Accept an invitation. Takes a verified email address, the one that was invited."""
    return await send(AcceptInvitation(id=team_id))


@router.post("/invitations/decline", **operation("Declined.", scope=WRITE, takes=KEYED, status=204))
async def decline_invitation(team_id: UUID, send: Send) -> Answer:
    """Decline an invitation."""
    return await send(DeclineInvitation(id=team_id))


@router.post(
    "/invitations/revoke",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=KEYED, example=TEAM),
)
async def revoke_invitation(team_id: UUID, body: InvitationAddress, send: Send) -> Answer:
    """Take an invitation back. Takes an admin. Once this is answered it lets nobody see the team."""
    return await send(RevokeInvitation(id=team_id, email=body.email))


@router.put(
    "/members/{user_id}",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=KEYED, example=TEAM),
)
async def change_member_role(team_id: UUID, user_id: UUID, body: MemberRole, send: Send) -> Answer:
    """Give a member another role. Takes an admin, and among owners an owner."""
    return await send(ChangeMemberRole(id=team_id, user_id=user_id, role=body.role))


@router.delete(
    "/members/{user_id}",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=KEYED, example=TEAM),
)
async def remove_member(team_id: UUID, user_id: UUID, send: Send) -> Answer:
    """Put a member out. Takes an admin. Once this is answered they see the team no more."""
    return await send(RemoveMember(id=team_id, user_id=user_id))


@router.post("/leave", **operation("Gone.", scope=WRITE, takes=KEYED, status=204))
async def leave_team(team_id: UUID, send: Send) -> Answer:
    """Leave a team. The last owner cannot."""
    return await send(LeaveTeam(id=team_id))


@router.post(
    "/owner",
    response_model=TeamView,
    **operation("The team.", scope=WRITE, takes=KEYED, example=TEAM),
)
async def transfer_ownership(team_id: UUID, body: NewOwner, send: Send) -> Answer:
    """Make another member an owner in one's own place. Takes an owner."""
    return await send(TransferOwnership(id=team_id, user_id=body.user_id))
