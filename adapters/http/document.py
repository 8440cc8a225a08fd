"""HTTP for documents: parse, send, answer."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import Field

from adapters.http.body import Body, shown
from adapters.http.exchange import Answer, Send
from adapters.http.route import Route
from adapters.http.spec import CONDITIONAL, EXAMPLE_ID, EXAMPLE_TIME, KEYED, operation
from application.document import (
    ChangeDocument,
    CreateDocument,
    DocumentView,
    RestoreFromTrash,
    RestoreVersion,
    TrashDocument,
)
from domain.document import CONTENT_LENGTH, TITLE_LENGTH, Status

router = APIRouter(prefix="/v1/documents", route_class=Route, tags=["documents"])

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


class NewDocument(Body):
    """A draft to be."""

    model_config = shown({"title": "Field notes", "content": "The otters are back."})
    title: Title
    content: Content = ""


class ChangedDocument(Body):
    """A document as it shall be: all of it."""

    model_config = shown(
        {"title": "Field notes", "content": "The otters are back. Both of them.", "status": "published"}
    )
    title: Title
    content: Content
    status: Status


@router.post(
    "",
    response_model=DocumentView,
    **operation("The new document.", scope=WRITE, takes=KEYED, example=DOCUMENT, status=201),
)
async def create_document(body: NewDocument, send: Send) -> Answer:
    """Create a draft. It counts against the plan's quota."""
    return await send(CreateDocument(title=body.title, content=body.content), at="/v1/documents/{}")


@router.put(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The document as it is now.", scope=WRITE, takes=CONDITIONAL, example=DOCUMENT),
)
async def change_document(document_id: UUID, body: ChangedDocument, send: Send) -> Answer:
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


@router.post(
    "/{document_id}/versions/{version}/restore",
    response_model=DocumentView,
    **operation("The document as it is now.", scope=WRITE, takes=CONDITIONAL, example=DOCUMENT),
)
async def restore_version(document_id: UUID, version: Version, send: Send) -> Answer:
    """Give a document the title and content of an earlier version, as a new version. Takes an editor."""
    return await send(RestoreVersion(id=document_id, version=version, expected=send.expected))
