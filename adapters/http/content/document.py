"""HTTP for documents: parse, send, answer."""

from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, CONDITIONS, FRESH, FRESH_UNLESS_KNOWN, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import MAX_CHARACTER_BYTES, Body, PageQuery
from application.content.document import (
    ChangeDocument,
    CreateDocument,
    DocumentView,
    RestoreFromTrash,
    RestoreVersion,
    TrashDocument,
    document_at_version,
)
from domain.content.document import Status
from domain.content.texts import CONTENT_LENGTH, TITLE_LENGTH
from projections.content.document import DocumentSummary, Sort, document, documents
from projections.content.document_version import VersionView, versions
from projections.page import Page

router = Router("/v1/documents", tag=Tag("documents", "Texts with a complete history, a trash, and shares."))

READ, WRITE = "documents:read", "documents:write"

Version = Annotated[int, Path(ge=1, le=999_999_999)]
Title = Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH)]
Content = Annotated[str, Field(max_length=CONTENT_LENGTH)]


class _DocumentBody(Body):
    MAX_BYTES: ClassVar[int] = Body.MAX_BYTES + CONTENT_LENGTH * MAX_CHARACTER_BYTES


class NewDocument(_DocumentBody):
    """A new draft."""

    title: Title
    content: Content = ""


class DocumentChange(_DocumentBody):
    """The complete new state of a document."""

    title: Title
    content: Content
    status: Status


class DocumentQuery(PageQuery):
    """Filters, order and page of a list of documents."""

    status: Status | None = None
    trashed: Annotated[bool, Field(description="True: documents in the trash; false: all others.")] = False
    shared: Annotated[
        bool | None, Field(description="True: documents that others own; false: the caller's own; without it: both.")
    ] = None
    sort: Annotated[Sort, Field(description="A minus sorts in descending order.")] = "-created_at"


@router.get(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The document.", scope=READ, takes=FRESH_UNLESS_KNOWN),
)
async def get_document(document_id: UUID, read: Read) -> Answer:
    """Get a document. Requires the viewer role."""
    return read.one(await read.opened(await read.query(document, read.actor, document_id)))


@router.post(
    "",
    response_model=DocumentView,
    **operation("The new document.", scope=WRITE, takes=KEYED, status=201),
)
async def create_document(body: NewDocument, send: Send) -> Answer:
    """Create a draft. Counts against the plan's quota."""
    return await send(CreateDocument(**body.model_dump()), at="/v1/documents/{}")


@router.get(
    "",
    response_model=Page[DocumentSummary],
    **operation("A page of documents.", scope=READ, takes=FRESH),
)
async def list_documents(listed: Annotated[DocumentQuery, Query()], read: Read) -> Answer:
    """List documents without their content: the caller's own, and those shared with the caller."""
    return read.unversioned(await read.query(documents, read.actor, **listed.model_dump()))


@router.put(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The changed document.", scope=WRITE, takes=CONDITIONAL),
)
async def change_document(document_id: UUID, body: DocumentChange, send: Send) -> Answer:
    """Save title, content and status as one new version. Requires the editor role. Equal values create none."""
    return await send(ChangeDocument(id=document_id, **body.model_dump()))


@router.delete(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The document, in the trash.", scope=WRITE, takes=CONDITIONAL),
)
async def trash_document(document_id: UUID, send: Send) -> Answer:
    """Move a document to the trash. Requires the owner role. The version stays."""
    return await send(TrashDocument(id=document_id))


@router.post(
    "/{document_id}/restore",
    response_model=DocumentView,
    **operation("The restored document.", scope=WRITE, takes=CONDITIONAL),
)
async def restore_document(document_id: UUID, send: Send) -> Answer:
    """Restore a document from the trash. Requires the owner role."""
    return await send(RestoreFromTrash(id=document_id))


@router.get(
    "/{document_id}/versions",
    response_model=Page[VersionView],
    **operation("A page of versions.", scope=READ, takes=FRESH),
)
async def list_versions(document_id: UUID, paged: Annotated[PageQuery, Query()], read: Read) -> Answer:
    """List a document's versions, one for each save, the latest first. Requires the viewer role."""
    result = await read.query(versions, read.actor, document_id, cursor=paged.cursor, limit=paged.limit)
    return read.unversioned(read.found(await read.opened(result)))


@router.get(
    "/{document_id}/versions/{version}",
    response_model=DocumentView,
    **operation("The document at that version.", scope=READ, takes=CONDITIONS),
)
async def get_version(document_id: UUID, version: Version, read: Read) -> Answer:
    """Get a document at a version. Requires the viewer role at present. Never stale: read from the event log."""
    result = await document_at_version(read.history, read.actor, document_id, version)
    return read.one(await read.opened(result))


@router.post(
    "/{document_id}/versions/{version}/restore",
    response_model=DocumentView,
    **operation("The changed document.", scope=WRITE, takes=CONDITIONAL),
)
async def restore_version(document_id: UUID, version: Version, send: Send) -> Answer:
    """Restore the title and content of an earlier version, as a new version. Requires the editor role."""
    return await send(RestoreVersion(id=document_id, version=version))
