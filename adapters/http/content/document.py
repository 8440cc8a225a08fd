"""HTTP for documents: parse, send, answer."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, EXAMPLE_ID, EXAMPLE_TIME, FRESH, FRESH_UNLESS_KNOWN, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routing import ApiRoute
from adapters.http.api.schemas import Body, PageQuery, shown
from application.content.document import (
    ChangeDocument,
    CreateDocument,
    DocumentView,
    RestoreFromTrash,
    RestoreVersion,
    TrashDocument,
    document_at_version,
)
from domain.content.document import CONTENT_LENGTH, TITLE_LENGTH, Status
from projections.content.document import DocumentSummary, Sort, document, documents
from projections.content.document_version import VersionView, versions
from projections.page import Page

router = APIRouter(prefix="/v1/documents", route_class=ApiRoute, tags=["documents"])

READ, WRITE = "documents:read", "documents:write"

Version = Annotated[int, Path(ge=1, le=999_999_999)]
Title = Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH)]
Content = Annotated[str, Field(max_length=CONTENT_LENGTH)]

DOCUMENT: dict[str, Any] = {
    "id": EXAMPLE_ID,
    "owner_id": "0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f",
    "title": "Field notes",
    "content": "The otters are back.",
    "status": "draft",
    "version": 1,
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
    "trashed_at": None,
}
SUMMARY = {**{name: value for name, value in DOCUMENT.items() if name != "content"}, "role": "owner"}
VERSION = {
    "version": 1,
    "change": "created",
    "title": "Field notes",
    "restored_version": None,
    "author_id": DOCUMENT["owner_id"],
    "at": EXAMPLE_TIME,
}


class NewDocument(Body):
    """A draft to be."""

    model_config = shown({"title": "Field notes", "content": "The otters are back."})
    title: Title
    content: Content = ""


class DocumentChange(Body):
    """A document as it shall be: all of it."""

    model_config = shown(
        {"title": "Field notes", "content": "The otters are back. Both of them.", "status": "published"}
    )
    title: Title
    content: Content
    status: Status


class DocumentQuery(PageQuery):
    """Which documents, and in which order."""

    status: Status | None = None
    trashed: Annotated[bool, Field(description="Those in the trash, instead of those out of it.")] = False
    shared: Annotated[
        bool | None, Field(description="True: those that others own; false: one's own; neither: both.")
    ] = None
    sort: Annotated[Sort, Field(description="A minus puts the last first.")] = "-created_at"


@router.get(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The document.", scope=READ, takes=FRESH_UNLESS_KNOWN, example=DOCUMENT),
)
async def get_document(document_id: UUID, read: Read) -> Answer:
    """Get a document. Takes the role of a viewer."""
    return read.one(await read.query(document, read.actor, document_id))


@router.post(
    "",
    response_model=DocumentView,
    **operation("The new document.", scope=WRITE, takes=KEYED, example=DOCUMENT, status=201),
)
async def create_document(body: NewDocument, send: Send) -> Answer:
    """Create a draft. It counts against the plan's quota."""
    return await send(CreateDocument(title=body.title, content=body.content), at="/v1/documents/{}")


@router.get(
    "",
    response_model=Page[DocumentSummary],
    **operation("A page of documents.", scope=READ, takes=FRESH, example={"items": [SUMMARY], "next": None}),
)
async def list_documents(listed: Annotated[DocumentQuery, Query()], read: Read) -> Answer:
    """List documents: one's own and those shared with one, without their content."""
    return read.unversioned(await read.query(documents, read.actor, **listed.model_dump()))


@router.put(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The document as it is now.", scope=WRITE, takes=CONDITIONAL, example=DOCUMENT),
)
async def change_document(document_id: UUID, body: DocumentChange, send: Send) -> Answer:
    """Change title, content and status. Takes the role of an editor. What does not differ makes no new version."""
    status, expected = body.status, send.expected
    command = ChangeDocument(id=document_id, title=body.title, content=body.content, status=status, expected=expected)
    return await send(command)


@router.delete(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The document, in the trash.", scope=WRITE, takes=CONDITIONAL, example=DOCUMENT),
)
async def trash_document(document_id: UUID, send: Send) -> Answer:
    """Put a document into the trash. Takes its owner."""
    return await send(TrashDocument(id=document_id, expected=send.expected))


@router.post(
    "/{document_id}/restore",
    response_model=DocumentView,
    **operation("The document, out of the trash.", scope=WRITE, takes=CONDITIONAL, example=DOCUMENT),
)
async def restore_document(document_id: UUID, send: Send) -> Answer:
    """Take a document out of the trash. Takes its owner."""
    return await send(RestoreFromTrash(id=document_id, expected=send.expected))


@router.get(
    "/{document_id}/versions",
    response_model=Page[VersionView],
    **operation("A page of versions.", scope=READ, takes=FRESH, example={"items": [VERSION], "next": None}),
)
async def list_versions(document_id: UUID, paged: Annotated[PageQuery, Query()], read: Read) -> Answer:
    """List what became of a document, the latest first. Takes the role of a viewer."""
    read.found(await read.query(document, read.actor, document_id))
    return read.unversioned(await read.query(versions, document_id, cursor=paged.cursor, limit=paged.limit))


@router.get(
    "/{document_id}/versions/{version}",
    response_model=DocumentView,
    **operation("The document as it was.", scope=READ, takes=["If-None-Match"], example=DOCUMENT),
)
async def get_version(document_id: UUID, version: Version, read: Read) -> Answer:
    """Get a document as it was at a version. Takes the role of a viewer now. Always as new as the log itself."""
    return read.one(await document_at_version(read.history, read.actor, document_id, version))


@router.post(
    "/{document_id}/versions/{version}/restore",
    response_model=DocumentView,
    **operation("The document as it is now.", scope=WRITE, takes=CONDITIONAL, example=DOCUMENT),
)
async def restore_version(document_id: UUID, version: Version, send: Send) -> Answer:
    """Give a document the title and content of an earlier version, as a new version. Takes an editor."""
    return await send(RestoreVersion(id=document_id, version=version, expected=send.expected))
