"""HTTP for access requests: parse, send, answer. Messages travel in bodies."""

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
from application.content.access_request import (
    AcceptAccessRequest,
    AskForAccess,
    DeclineAccessRequest,
    WithdrawAccessRequest,
)
from domain.access import DOCUMENT
from domain.content.roles import ShareRole
from domain.text import MESSAGE_LENGTH
from projections.content.access_request import (
    AccessRequestView,
    OwnAccessRequest,
    access_requests,
    own_access_requests,
)
from projections.page import Page

router = Router("/v1", tag="documents")


class AccessRequestBody(Body):
    """The role that the caller asks for, and optionally why."""

    role: ShareRole
    message: Annotated[str, Field(max_length=MESSAGE_LENGTH)] | None = None


class AccessAcceptance(Body):
    """The role to give; null: the one that was asked for."""

    role: ShareRole | None = None


@router.get(
    "/access-requests",
    response_model=Page[OwnAccessRequest],
    **listing("A page of requests.", access=DOCUMENT.action("list")),
)
async def list_own_access_requests(paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the caller's requests for access to documents, and what came of them; the oldest first."""
    return await read.listed(own_access_requests, read.history, read.actor, cursor=paged.cursor, limit=paged.limit)


@router.post(
    "/documents/{document_id}/access-requests",
    **operation(
        "The request is kept.",
        access=DOCUMENT.action("ask_for_access"),
        takes=KEYED,
        status=204,
        limits=["user", "request"],
    ),
)
async def ask_for_access(document_id: UUID, body: AccessRequestBody, send: Send) -> Answer:
    """Ask for a role on a document by its id. Requires a verified address of one's own.

    The owner sees the caller's name and email address, and gets a mail, at most one an hour. The answer is the same
    whether there is such a document or not. A new request takes the place of an open one. After a decline the caller
    can ask again 7 days later: 409 `declined_recently`.
    """
    return await send(AskForAccess(id=document_id, role=body.role, message=body.message))


@router.delete(
    "/documents/{document_id}/access-requests/me",
    **operation("There is no open request.", access=DOCUMENT.action("ask_for_access"), takes=KEYED, status=204),
)
async def withdraw_access_request(document_id: UUID, send: Send) -> Answer:
    """Withdraw the caller's request for a document."""
    return await send(WithdrawAccessRequest(id=document_id))


@router.get(
    "/documents/{document_id}/access-requests",
    response_model=Page[AccessRequestView],
    **listing("A page of requests.", access=DOCUMENT.action("list_shares")),
)
async def list_access_requests(document_id: UUID, paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the open requests for access to a document, the oldest first. Requires the owner role."""
    cursor, limit = paged.cursor, paged.limit
    return await read.listed(access_requests, read.history, read.actor, document_id, cursor=cursor, limit=limit)


@router.post(
    "/documents/{document_id}/access-requests/{user_id}/accept",
    **operation("The document is shared.", access=DOCUMENT.action("share"), takes=KEYED, status=204),
)
async def accept_access_request(document_id: UUID, user_id: UUID, body: AccessAcceptance, send: Send) -> Answer:
    """Accept a request: the document is shared with the user who asks. Requires the owner role and a verified address.

    The share belongs to that user at once, also after a change of address. The user gets a mail.
    """
    return await send(AcceptAccessRequest(id=document_id, user_id=user_id, role=body.role))


@router.post(
    "/documents/{document_id}/access-requests/{user_id}/decline",
    **operation("The request is declined.", access=DOCUMENT.action("share"), takes=KEYED, status=204),
)
async def decline_access_request(document_id: UUID, user_id: UUID, send: Send) -> Answer:
    """Decline a request. Requires the owner role. The user gets a mail, and can ask again after 7 days."""
    return await send(DeclineAccessRequest(id=document_id, user_id=user_id))
