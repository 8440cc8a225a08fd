"""HTTP for what becomes of documents when a member leaves a team, or the team is dissolved."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from adapters.http.api.commands import Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import KEYED, listing, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import PageQuery
from application.content.leaving import OfferedDocuments, OfferLentDocuments
from domain.access import DOCUMENT, TEAM
from projections.content.leaving import LeavingPage, dissolving, leaving, removing

router = Router("/v1/teams/{team_id}", tag="teams")

PageOf = Annotated[PageQuery, Query()]


@router.get(
    "/leaving",
    response_model=LeavingPage,
    **listing("What becomes of documents.", access=TEAM.action("read_leaving")),
)
async def preview_leaving(team_id: UUID, paged: PageOf, read: List) -> Response:
    """Show what becomes of documents if the caller leaves the team. Those that they created for the team stay with it.

    A guest sees how many these are, not which.
    Those that they lent to it go back to them: the other members lose access at once. To leave them with the team,
    offer them before, with `POST /v1/teams/{team_id}/lent-documents/offer`.
    """
    return await read.listed(leaving, read.actor, team_id, cursor=paged.cursor, limit=paged.limit)


@router.get(
    "/members/{user_id}/leaving",
    response_model=LeavingPage,
    **listing("What becomes of documents.", access=TEAM.action("read_removal")),
)
async def preview_removal(team_id: UUID, user_id: UUID, paged: PageOf, read: List) -> Response:
    """Show what becomes of documents if a member leaves the team or is removed. Requires the admin role."""
    return await read.listed(removing, read.actor, team_id, user_id, cursor=paged.cursor, limit=paged.limit)


@router.get(
    "/dissolution",
    response_model=LeavingPage,
    **listing("What becomes of documents.", access=TEAM.action("read_dissolution")),
)
async def preview_dissolution(team_id: UUID, paged: PageOf, read: List) -> Response:
    """Show what becomes of documents if the team is dissolved. Requires the owner role.

    What belongs to the team can be read until the dissolution is carried out; offer it to a person before. What members
    lent to it goes back to them.
    """
    return await read.listed(dissolving, read.actor, team_id, cursor=paged.cursor, limit=paged.limit)


@router.post(
    "/lent-documents/offer",
    response_model=OfferedDocuments,
    **operation("What was offered.", access=DOCUMENT.action("offer_lent"), takes=KEYED),
)
async def offer_lent_documents(team_id: UUID, send: Send) -> Answer:
    """Offer a team all documents that the caller has lent to it, at most 100. The caller is at least an editor in it.

    An owner or admin of the team accepts each one, also after the caller has left. Documents that are offered already,
    or in the trash, are left out. If `more` is true, send it again.
    """
    return await send(OfferLentDocuments(team_id=team_id))
