"""HTTP for the versions of documents: parse, send, answer."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response

from adapters.http.api.commands import Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import CONDITIONAL, CONDITIONS, FRESH, KEYED, listing, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import MAX_VERSION, Body, PageQuery, QueryParameters
from application.content.comparison import TwoVersions, VersionDifference, two_versions
from application.content.document import (
    DocumentView,
    NameVersion,
    RestoreVersion,
    UnnameVersion,
    document_at_version,
)
from domain.access import DOCUMENT
from domain.content.texts import VERSION_NAME_LENGTH
from projections.content.document_version import BlameView, VersionPage, blame, versions

router = Router("/v1/documents/{document_id}/versions", tag="documents")

Version = Annotated[int, Path(ge=1, le=MAX_VERSION)]


class VersionsQuery(PageQuery):
    """Page of a list of versions."""

    expand: Annotated[
        Literal["author"] | None, Field(description="`author`: with the name of the user who saved each version.")
    ] = None


class DifferenceQuery(QueryParameters):
    """Two versions to compare, in any order."""

    from_version: Annotated[int, Field(alias="from", ge=1, le=MAX_VERSION, description="The version before.")]
    to_version: Annotated[int, Field(alias="to", ge=1, le=MAX_VERSION, description="The version after.")]


class BlameQuery(QueryParameters):
    """The version whose passages to show."""

    version: Annotated[
        int | None, Field(ge=1, le=MAX_VERSION, description="The version; without it, the current one.")
    ] = None


class VersionName(Body):
    """A name for a version, to find it again."""

    name: Annotated[str, Field(min_length=1, max_length=VERSION_NAME_LENGTH, examples=["As sent to the editor"])]


@router.get(
    "",
    response_model=VersionPage,
    **listing("A page of versions.", access=DOCUMENT.action("read")),
)
async def list_versions(document_id: UUID, listed: Annotated[VersionsQuery, Query()], read: List) -> Response:
    """List a document's versions, one for each save, the latest first. Requires the viewer role.

    The plan of the document's owner says how far back versions are shown: on the free plan, what the document was in
    the last 30 days; on the pro plan, in the last 365. The first version and named ones are always shown. `hidden` says
    how many are not: they are kept, and shown again with a larger plan. To read, compare, name or restore one answers
    403 `version_hidden`.
    """
    return await read.listed(
        versions,
        read.actor,
        document_id,
        now=read.now,
        cursor=listed.cursor,
        limit=listed.limit,
        names=read.names(listed.expand),
    )


@router.get(
    "/diff",
    response_model=VersionDifference,
    **operation(
        "What differs.", access=DOCUMENT.action("read"), media={"text/x-diff": "@@ -1,1 +1,1 @@\n-Otters.\n+Beavers.\n"}
    ),
)
async def compare_versions(document_id: UUID, asked: Annotated[DifferenceQuery, Query()], read: Read) -> Answer:
    """Compare two versions of a document. Requires the viewer role at present.

    JSON has the changed words, with their places in both contents. With `Accept: text/x-diff` the answer is a unified
    diff of the contents, for `patch` and people. Very long texts are compared more coarsely, never wrongly.
    """
    found = await two_versions(read.history, read.actor, document_id, asked.from_version, asked.to_version, read.now)
    return await read.either(await read.opened(found), TwoVersions.difference, {"text/x-diff": TwoVersions.unified})


@router.get(
    "/blame",
    response_model=BlameView,
    **operation("The passages.", access=DOCUMENT.action("read"), takes=FRESH, fails=[409]),
)
async def blame_version(document_id: UUID, asked: Annotated[BlameQuery, Query()], read: Read) -> Answer:
    """Show who wrote which passage of a version, and when, over the whole history. Requires the viewer role.

    A passage that a restore brought back counts for the person who wrote it. `model` and `generation_id` are of what a
    model wrote, at the request of the author; they are null for what people wrote.
    """
    result = await read.long_query(blame, read.history, read.actor, document_id, asked.version, now=read.now)
    return read.unversioned(read.found(await read.opened(result)))


@router.get(
    "/{version}",
    response_model=DocumentView,
    **operation("The document at that version.", access=DOCUMENT.action("read"), takes=CONDITIONS),
)
async def get_version(document_id: UUID, version: Version, read: Read) -> Answer:
    """Get a document at a version. Requires the viewer role at present. Never stale: read from the event log."""
    result = await document_at_version(read.history, read.actor, document_id, version, read.now)
    return read.one(await read.opened(result))


@router.post(
    "/{version}/restore",
    response_model=DocumentView,
    **operation("The changed document.", access=DOCUMENT.action("edit"), takes=CONDITIONAL),
)
async def restore_version(document_id: UUID, version: Version, send: Send) -> Answer:
    """Restore the title and content of an earlier version, as a new version. Requires the editor role."""
    return await send(RestoreVersion(id=document_id, version=version))


@router.put(
    "/{version}/name", **operation("The version has the name.", access=DOCUMENT.action("edit"), takes=KEYED, status=204)
)
async def name_version(document_id: UUID, version: Version, body: VersionName, send: Send) -> Answer:
    """Name a version, or rename it. Requires the editor role. The list of versions shows names."""
    return await send(NameVersion(id=document_id, version=version, name=body.name))


@router.delete(
    "/{version}/name", **operation("The version has no name.", access=DOCUMENT.action("edit"), takes=KEYED, status=204)
)
async def unname_version(document_id: UUID, version: Version, send: Send) -> Answer:
    """Remove the name of a version. Requires the editor role."""
    return await send(UnnameVersion(id=document_id, version=version))
