"""HTTP for invitations to teams. Email addresses travel in bodies, never in paths."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from adapters.http.api.commands import Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import CONDITIONAL, FRESH, KEYED, listing, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import MANY_BYTES, Body, Email, PageQuery
from application.teams.invitation import (
    MAX_INVITED,
    AcceptInvitation,
    DeclineInvitation,
    InvitationOutcomes,
    Invitee,
    InviteMember,
    InviteMembers,
    ResendInvitation,
    RevokeInvitation,
)
from application.teams.team import TeamView
from domain.access import TEAM
from domain.teams.roles import InvitedRole
from projections.page import Page
from projections.teams.team_invitation import InvitationView, OwnInvitation, invitations, own_invitations

router = Router("/v1", tag="teams")


class Invitation(Body):
    """An email address to invite, and the role that its holder gets."""

    email: Email
    role: InvitedRole = "editor"


class InvitationAddress(Body):
    """The email address of an invitation."""

    email: Email


class Invitations(Body):
    """Email addresses to invite, and their roles."""

    MAX_BYTES: ClassVar[int] = MANY_BYTES
    invitations: Annotated[list[Invitation], Field(min_length=1, max_length=MAX_INVITED)]

    def invitees(self) -> list[Invitee]:
        """Return the addresses as the command takes them."""
        return [Invitee(each.email, each.role) for each in self.invitations]


@router.get(
    "/invitations",
    response_model=Page[OwnInvitation],
    **listing("A page of invitations.", access=TEAM.action("list")),
)
async def list_own_invitations(paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the teams that have invited the caller's verified email address, the oldest team first."""
    return await read.listed(own_invitations, read.actor, read.now, cursor=paged.cursor, limit=paged.limit)


@router.get(
    "/teams/{team_id}/invitations",
    response_model=list[InvitationView],
    **operation("The invitations.", access=TEAM.action("list_invitations"), takes=FRESH),
)
async def list_invitations(team_id: UUID, read: Read) -> Answer:
    """List a team's invitations that wait for an answer, the oldest first. Requires the admin role."""
    return read.unversioned(read.found(await read.query(invitations, read.history, read.actor, team_id)))


@router.post(
    "/teams/{team_id}/invitations",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("invite"), takes=CONDITIONAL, limits=["user", "invitation"]),
)
async def invite_member(team_id: UUID, body: Invitation, send: Send) -> Answer:
    """Invite the holder of an email address, who is no member. Requires the admin role.

    The address gets a mail. The invitation holds a seat for 14 days. A second one with another role takes its place, at
    most every 10 minutes: 409 `invited_recently`.

    The caller's own address must be verified.
    """
    return await send(InviteMember(id=team_id, email=body.email, role=body.role))


@router.post(
    "/teams/{team_id}/invitation-batches",
    response_model=InvitationOutcomes,
    **operation("The outcome of each address.", access=TEAM.action("invite"), takes=KEYED),
)
async def invite_members(team_id: UUID, body: Invitations, send: Send) -> Answer:
    """Invite the holders of several email addresses at once. Requires the admin role.

    An address that is refused does not stop the others: each has an outcome, in the order of the request. The limit of
    invitations counts addresses.
    """
    await send.charge("invitation", len(body.invitations))
    return await send(InviteMembers(id=team_id, invitees=body.invitees()))


@router.post(
    "/teams/{team_id}/invitations/resend",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("invite"), takes=CONDITIONAL, limits=["user", "invitation"]),
)
async def resend_invitation(team_id: UUID, body: InvitationAddress, send: Send) -> Answer:
    """Send an invitation again, also an expired one; it is open for 14 days again. Requires the admin role.

    At most every 10 minutes: 409 `invited_recently`.
    """
    return await send(ResendInvitation(id=team_id, email=body.email))


@router.post(
    "/teams/{team_id}/invitations/accept",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("answer_invitation"), takes=CONDITIONAL),
)
async def accept_invitation(team_id: UUID, send: Send) -> Answer:
    """Accept an invitation. Requires a verified email address, the invited one."""
    return await send(AcceptInvitation(id=team_id))


@router.post(
    "/teams/{team_id}/invitations/decline",
    **operation("The invitation is declined.", access=TEAM.action("answer_invitation"), takes=KEYED, status=204),
)
async def decline_invitation(team_id: UUID, send: Send) -> Answer:
    """Decline an invitation."""
    return await send(DeclineInvitation(id=team_id))


@router.post(
    "/teams/{team_id}/invitations/revoke",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("revoke_invitation"), takes=CONDITIONAL),
)
async def revoke_invitation(team_id: UUID, body: InvitationAddress, send: Send) -> Answer:
    """Revoke an invitation. Requires the admin role. After the response it no longer gives access to the team."""
    return await send(RevokeInvitation(id=team_id, email=body.email))
