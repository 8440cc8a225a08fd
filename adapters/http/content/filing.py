"""HTTP for where documents are kept: folder, tags, star, archive. Parse, send, answer."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body
from application.content.document import DocumentView
from application.content.filing import (
    ArchiveDocument,
    FileDocument,
    FilingView,
    TagDocument,
    UnarchiveDocument,
    document_filing,
)
from application.content.star import StarDocument, UnstarDocument
from domain.access import DOCUMENT
from domain.content.filing import MAX_TAGS, TAG_LENGTH

router = Router("/v1/documents/{document_id}", tag="documents")

TagText = Annotated[str, Field(min_length=1, max_length=TAG_LENGTH)]


class FolderChoice(Body):
    """The folder for a document; null: it is in no folder."""

    folder_id: UUID | None


class Tags(Body):
    """All tags of a document."""

    tags: Annotated[list[TagText], Field(max_length=MAX_TAGS, examples=[["novel", "otters"]])]


@router.get(
    "/filing", response_model=FilingView, **operation("Where it is kept.", access=DOCUMENT.action("read"), takes=())
)
async def get_filing(document_id: UUID, read: Read) -> Answer:
    """Get the folder, the tags and one's own star of a document. Requires the viewer role.

    Never stale: read from the event log.
    """
    result = await document_filing(read.history, read.actor, document_id, read.now)
    return read.unversioned(await read.opened(result))


@router.put(
    "/folder", **operation("The document is in the folder.", access=DOCUMENT.action("file"), takes=KEYED, status=204)
)
async def file_document(document_id: UUID, body: FolderChoice, send: Send) -> Answer:
    """Move a document to a folder of its owner, or out of all folders. Requires the owner role. No new version.

    A document of a team goes to the folders of the team, which requires the editor role of the team.
    """
    return await send(FileDocument(id=document_id, folder_id=body.folder_id))


@router.put(
    "/tags", **operation("The document has these tags.", access=DOCUMENT.action("edit"), takes=KEYED, status=204)
)
async def tag_document(document_id: UUID, body: Tags, send: Send) -> Answer:
    """Replace the tags of a document, for all who read it. Requires the editor role. No new version.

    Tags are kept in lower case, sorted, each one once.
    """
    return await send(TagDocument(id=document_id, tags=body.tags))


@router.put("/star", **operation("The caller's star is set.", access=DOCUMENT.action("star"), takes=KEYED, status=204))
async def star_document(document_id: UUID, send: Send) -> Answer:
    """Set one's own star on a document, which no other person sees. Requires the viewer role."""
    return await send(StarDocument(id=document_id))


@router.delete(
    "/star", **operation("The caller's star is removed.", access=DOCUMENT.action("star"), takes=KEYED, status=204)
)
async def unstar_document(document_id: UUID, send: Send) -> Answer:
    """Remove one's own star from a document. Requires the viewer role."""
    return await send(UnstarDocument(id=document_id))


@router.post(
    "/archive",
    response_model=DocumentView,
    **operation("The archived document.", access=DOCUMENT.action("edit"), takes=CONDITIONAL),
)
async def archive_document(document_id: UUID, send: Send) -> Answer:
    """Archive a document: it stays readable, and is no longer changed. Requires the editor role. A new version."""
    return await send(ArchiveDocument(id=document_id))


@router.post(
    "/unarchive",
    response_model=DocumentView,
    **operation("The published document.", access=DOCUMENT.action("edit"), takes=CONDITIONAL),
)
async def unarchive_document(document_id: UUID, send: Send) -> Answer:
    """Take a document out of the archive: it is published. Requires the editor role. A new version."""
    return await send(UnarchiveDocument(id=document_id))
