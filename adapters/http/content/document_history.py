"""HTTP for the history of a document."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from adapters.http.api.lists import List
from adapters.http.api.openapi import FRESH_UNLESS_KNOWN, operation
from adapters.http.api.routers import Router
from adapters.http.api.schemas import HistoryQuery
from domain.access import DOCUMENT
from projections.content.document_history import document_history
from projections.history import HistoryEntry
from projections.page import Page

router = Router("/v1/documents", tag="documents")


@router.get(
    "/{document_id}/history",
    response_model=Page[HistoryEntry],
    **operation(
        "A page of what happened.",
        access=DOCUMENT.action("read_history"),
        takes=FRESH_UNLESS_KNOWN,
        gives=["Link"],
    ),
)
async def list_document_history(document_id: UUID, listed: Annotated[HistoryQuery, Query()], read: List) -> Response:
    """List what happened to a document and who audited it, the latest first. Requires the owner role.

    Each item names who did it, and the request that caused it. A page with few items may have a next one.
    """
    return await read.listed(document_history, read.history, read.actor, document_id, **listed.options)
