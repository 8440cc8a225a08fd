"""HTTP for changes of lists of documents: parse, answer."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from adapters.http.api.openapi import FRESH, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import QueryParameters
from domain.access import DOCUMENT
from projections.content.document_change import DocumentChangePage, document_changes
from projections.page import DEFAULT_LIMIT, MAX_LIMIT

router = Router("/v1/document-changes", tag="documents")


class ChangesQuery(QueryParameters):
    """Which changes to return."""

    since: Annotated[
        str | None, Field(max_length=2_000, description="The `next` of the last response; without it, the whole list.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="The maximum number of changes.")] = DEFAULT_LIMIT


@router.get(
    "",
    response_model=DocumentChangePage,
    **operation("The changes.", access=DOCUMENT.action("list"), takes=FRESH, fails=[409]),
)
async def list_document_changes(wanted: Annotated[ChangesQuery, Query()], read: Read) -> Answer:
    """List what has changed in the caller's list of documents since an earlier response. Clients keep a copy by it.

    Each changed document is shown as it is in the list now. `document` is null if it has left the list: it is in the
    trash, erased, or no longer shared with the caller or lent to a team of theirs. Keep `next` and send it as `since`,
    at once while `more` is true. Nothing is missed, however long the client was away. After 409 `sync_token_expired`
    leave `since` out and replace the copy. Documents that the caller has by a share link only are not included.
    """
    return read.unversioned(await read.query(document_changes, read.actor, since=wanted.since, limit=wanted.limit))
