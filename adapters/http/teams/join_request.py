"""HTTP for join requests: parse, send, answer. The team is named in the body: it may be one that does not exist."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from adapters.http.api.commands import Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import KEYED, listing, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body, PageQuery
from application.teams.join_request import (
    AcceptJoinRequest,
    AskToJoin,
    DeclineJoinRequest,
    WithdrawJoinRequest,
)
from domain.access import TEAM
from domain.teams.naming import SLUG_LENGTH
from domain.teams.roles import InvitedRole
from domain.text import MESSAGE_LENGTH
from projections.page import Page
from projections.teams.join_request import JoinRequestView, OwnJoinRequest, join_requests, own_join_requests

router = Router("/v1", tag="teams")

TeamReference = Annotated[
    str, Field(min_length=3, max_length=SLUG_LENGTH, pattern="^[a-z0-9](-?[a-z0-9])*$", examples=["river-watch"])
]


class JoinRequestBody(Body):
    """The slug or the id of a team, and optionally why the caller wants to join."""

    team: TeamReference
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] | None = None


class JoinAcceptance(Body):
    """The role of the new member."""

    role: InvitedRole = "editor"


@router.get(
    "/join-requests",
    response_model=Page[OwnJoinRequest],
    **listing("A page of requests.", access=TEAM.action("list")),
)
async def list_own_join_requests(paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the caller's requests to join teams, and what came of them; the oldest first."""
    return await read.listed(own_join_requests, read.history, read.actor, cursor=paged.cursor, limit=paged.limit)


@router.post(
    "/join-requests",
    **operation(
        "The request is kept.",
        access=TEAM.action("ask_to_join"),
        takes=KEYED,
        status=204,
        limits=["user", "request"],
    ),
)
async def ask_to_join(body: JoinRequestBody, send: Send) -> Answer:
    """Ask to join a team, by its slug or id. Requires a verified address of one's own.

    The admins of a team that allows requests see the caller's name and email address, and get a mail, at most one an
    hour. The answer is the same for a team that allows none, and if there is no such team. After a request was declined
    the caller can ask again 7 days later: 409 `declined_recently`.
    """
    return await send(AskToJoin(team=body.team, message=body.message))


@router.delete(
    "/join-requests/{request_id}",
    **operation("The request is not open.", access=TEAM.action("ask_to_join"), takes=KEYED, status=204),
)
async def withdraw_join_request(request_id: UUID, send: Send) -> Answer:
    """Withdraw a request of the caller to join a team."""
    return await send(WithdrawJoinRequest(id=request_id))


@router.get(
    "/teams/{team_id}/join-requests",
    response_model=Page[JoinRequestView],
    **listing("A page of requests.", access=TEAM.action("list_invitations")),
)
async def list_join_requests(team_id: UUID, paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the open requests to join a team, the oldest first. Requires the admin role."""
    cursor, limit = paged.cursor, paged.limit
    return await read.listed(join_requests, read.history, read.actor, team_id, cursor=cursor, limit=limit)


@router.post(
    "/teams/{team_id}/join-requests/{user_id}/accept",
    **operation("The user is a member.", access=TEAM.action("invite"), takes=KEYED, status=204),
)
async def accept_join_request(team_id: UUID, user_id: UUID, body: JoinAcceptance, send: Send) -> Answer:
    """Make a user who asks for it a member, on a free seat. Requires the admin role and a verified address.

    The user gets a mail. Without a free seat: 409 `team_is_full`.
    """
    return await send(AcceptJoinRequest(id=team_id, user_id=user_id, role=body.role))


@router.post(
    "/teams/{team_id}/join-requests/{user_id}/decline",
    **operation("The request is declined.", access=TEAM.action("invite"), takes=KEYED, status=204),
)
async def decline_join_request(team_id: UUID, user_id: UUID, send: Send) -> Answer:
    """Decline a request to join a team. Requires the admin role.

    The user gets a mail, and can ask again after 7 days.
    """
    return await send(DeclineJoinRequest(id=team_id, user_id=user_id))
