"""HTTP for recently viewed documents: parse, send, answer."""

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from adapters.http.api.commands import Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import KEYED, listing, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import PageQuery
from application.content.recent_document import ClearRecentDocuments
from domain.access import DOCUMENT
from projections.content.recent_document import RecentDocument, recent_documents
from projections.page import Page

router = Router("/v1/recent-documents", tag="documents")


@router.get(
    "",
    response_model=Page[RecentDocument],
    **listing("A page of documents.", access=DOCUMENT.action("list")),
)
async def list_recent_documents(listed: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the documents that the caller has viewed last. The latest is the first; they come without their content.

    `GET /v1/documents/{document_id}` counts as a view; a repeat within a minute does not. Of each user 100 are kept,
    for 90 days. Documents in the trash, and those that are no longer shared with the caller, are not shown. The list is
    a convenience: it follows within some seconds, and a view may be missing after a fault.
    """
    return await read.listed(recent_documents, read.actor, cursor=listed.cursor, fields=None, limit=listed.limit)


@router.delete("", **operation("Nothing is listed.", access=DOCUMENT.action("forget_views"), takes=KEYED, status=204))
async def clear_recent_documents(send: Send) -> Answer:
    """Forget which documents the caller has viewed."""
    return await send(ClearRecentDocuments())
