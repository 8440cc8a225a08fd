"""HTTP for who has access to a document, and why."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from adapters.http.api.lists import List
from adapters.http.api.openapi import FRESH, listing, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import PageQuery
from domain.access import DOCUMENT
from projections.content.access import AccessView, OwnAccess, all_access, own_access
from projections.page import Page

router = Router("/v1/documents/{document_id}/access", tag="documents")


@router.get(
    "",
    response_model=Page[AccessView],
    **listing("A page of reasons.", access=DOCUMENT.action("list_shares")),
)
async def list_access(document_id: UUID, paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List who has access to a document and why. Requires the owner role.

    The owner comes first, then guests of links and holders of shares. A person with several reasons is listed with
    each of them; the highest role counts.
    """
    cursor, limit = paged.cursor, paged.limit
    return await read.listed(all_access, read.history, read.actor, document_id, cursor=cursor, limit=limit)


@router.get(
    "/me",
    response_model=OwnAccess,
    **operation("The caller's role and its reasons.", access=DOCUMENT.action("read"), takes=FRESH),
)
async def get_own_access(document_id: UUID, read: Read) -> Answer:
    """Get the caller's role on a document, and why they have it. Requires the viewer role."""
    return read.unversioned(read.found(await read.query(own_access, read.actor, document_id)))
