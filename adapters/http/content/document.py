"""HTTP for documents: parse, send, answer."""

from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, CREATED, FRESH_UNLESS_KNOWN, operation
from adapters.http.api.queries import QueryReader, Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import MAX_CHARACTER_BYTES, Body, Moment, QueryParameters
from application.commands import ReadResult
from application.content.document import (
    ChangeDocument,
    CreateDocument,
    DocumentView,
    DuplicateDocument,
    EditDocument,
    RestoreFromTrash,
    TrashDocument,
)
from domain.access import DOCUMENT
from domain.content.document import Status
from domain.content.edits import INSERT_LENGTH, MAX_EDITS, Edit
from domain.content.texts import CONTENT_LENGTH, TITLE_LENGTH
from projections.content.document import document
from projections.content.document_version import document_at

router = Router("/v1/documents", tag=Tag("documents", "Texts with a complete history, a trash, and shares."))

Title = Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH)]
Content = Annotated[str, Field(max_length=CONTENT_LENGTH)]


LEFT_OUT: Any = Field(default_factory=lambda: None)
"""The default of a member that may be left out, but is never null."""


class _DocumentBody(Body):
    MAX_BYTES: ClassVar[int] = Body.MAX_BYTES + CONTENT_LENGTH * MAX_CHARACTER_BYTES


class NewDocument(_DocumentBody):
    """A new draft. `team_id`: the team that it belongs to; null: it is the caller's own."""

    title: Title
    content: Content = ""
    team_id: UUID | None = None


class DocumentCopy(Body):
    """The title of a copy; left out, it is "Copy of" and the title of the original.

    `team_id`: the team that the copy belongs to; null: it is the caller's own.
    """

    title: Title = LEFT_OUT
    team_id: UUID | None = None


class WholeDocument(_DocumentBody):
    """The complete new state of a document."""

    title: Title
    content: Content
    status: Status


class DocumentPatch(_DocumentBody):
    """What to change of a document (RFC 7396). What is left out stays; nothing can be removed."""

    MEDIA_TYPE: ClassVar[str] = "application/merge-patch+json"
    title: Title = LEFT_OUT
    content: Content = LEFT_OUT
    status: Status = LEFT_OUT

    def command(self, id: UUID) -> ChangeDocument:
        """Return the command that makes this change."""
        return ChangeDocument(id=id, **self.model_dump(exclude_unset=True))


class ContentEdit(BaseModel):
    """A replacement: from the character `at` of the content, `delete` characters by the text `insert`."""

    model_config = Body.model_config
    at: Annotated[int, Field(ge=0, le=CONTENT_LENGTH, examples=[4])]
    delete: Annotated[int, Field(ge=0, le=CONTENT_LENGTH, examples=[6])]
    insert: Annotated[str, Field(max_length=INSERT_LENGTH, examples=["beavers"])]


class ContentEdits(_DocumentBody):
    """Edits of the content of the version in `If-Match`.

    Characters are Unicode code points, counted from 0 in the content before all edits. The edits are sorted by `at`,
    and none overlaps the one before.
    """

    MEDIA_TYPE: ClassVar[str] = "application/vnd.palimpsest.edits+json"
    edits: Annotated[list[ContentEdit], Field(min_length=1, max_length=MAX_EDITS)]

    def command(self, id: UUID) -> EditDocument:
        """Return the command that makes these edits."""
        return EditDocument(id=id, edits=[Edit(**each.model_dump()) for each in self.edits])


class StateQuery(QueryParameters):
    """The state of a document to return."""

    at: Annotated[
        Moment | None,
        Field(description="An instant: the document as its last save up to then left it. Without it: as it is now."),
    ] = None

    async def read(self, read: QueryReader, id: UUID) -> ReadResult[DocumentView] | None:
        """Return the document in this state."""
        if self.at is None:
            return await read.query(document, read.actor, id)
        return await read.query(document_at, read.history, read.actor, id, self.at, now=read.now)


@router.get(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("read"), takes=FRESH_UNLESS_KNOWN),
)
async def get_document(document_id: UUID, state: Annotated[StateQuery, Query()], read: Read) -> Answer:
    """Get a document, as it is or as it was at an instant. Requires the viewer role at present."""
    view = read.found(await read.opened(await state.read(read, document_id)))
    read.recent_documents.note(read.actor.user_id, document_id)
    return read.one(view)


@router.post(
    "",
    response_model=DocumentView,
    **operation("The new document.", access=DOCUMENT.action("create"), takes=CREATED, fails=[403, 404], status=201),
)
async def create_document(body: NewDocument, send: Send) -> Answer:
    """Create a draft. Counts against the quota of its owner's plan.

    In a team it requires the editor role of the team.
    """
    return await send(CreateDocument(**body.model_dump()), at="/v1/documents/{}")


@router.put(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The changed document.", access=DOCUMENT.action("edit"), takes=CONDITIONAL),
)
async def change_document(document_id: UUID, body: WholeDocument, send: Send) -> Answer:
    """Save title, content and status as one new version. Requires the editor role. Equal values create none."""
    return await send(ChangeDocument(id=document_id, **body.model_dump()))


@router.patch(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The changed document.", access=DOCUMENT.action("edit"), takes=CONDITIONAL, fails=[428]),
)
async def patch_document(document_id: UUID, body: DocumentPatch | ContentEdits, send: Send) -> Answer:
    """Save a part of a document as one new version. Requires the editor role. Equal values create none.

    A merge patch (RFC 7396) has the fields to change. Edits replace parts of the content, so that a large document
    takes a small request; they need `If-Match`, as offsets mean nothing for another version. With
    `Prefer: return=minimal` the response is small, too.
    """
    return await send(body.command(document_id))


@router.post(
    "/{document_id}/duplicate",
    response_model=DocumentView,
    **operation("The copy.", access=DOCUMENT.action("duplicate"), takes=CREATED, status=201),
)
async def duplicate_document(document_id: UUID, body: DocumentCopy, send: Send) -> Answer:
    """Copy the title and the content of a document to a new draft. Requires the viewer role.

    The copy is the caller's own, or belongs to a team in which the caller has the editor role. It counts against the
    quota of its owner's plan, and has a history and shares of its own.
    """
    return await send(DuplicateDocument(id=document_id, **body.model_dump()), at="/v1/documents/{}")


@router.delete(
    "/{document_id}",
    response_model=DocumentView,
    **operation("The document, in the trash.", access=DOCUMENT.action("trash"), takes=CONDITIONAL),
)
async def trash_document(document_id: UUID, send: Send) -> Answer:
    """Move a document to the trash. Requires the owner role. The version stays."""
    return await send(TrashDocument(id=document_id))


@router.post(
    "/{document_id}/restore",
    response_model=DocumentView,
    **operation("The restored document.", access=DOCUMENT.action("restore"), takes=CONDITIONAL),
)
async def restore_document(document_id: UUID, send: Send) -> Answer:
    """Restore a document from the trash. Requires the owner role."""
    return await send(RestoreFromTrash(id=document_id))
