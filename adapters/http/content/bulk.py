"""HTTP for changes of many documents: parse, send, answer."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import KEYED, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import MANY_BYTES, Body
from application.content.bulk import MAX_DOCUMENTS, BulkAction, BulkResult, ChangeDocuments
from domain.access import DOCUMENT
from domain.content.filing import MAX_TAGS, TAG_LENGTH

router = Router("/v1/document-batches", tag="documents")

_Tag = Annotated[str, Field(min_length=1, max_length=TAG_LENGTH)]


class BulkChange(Body):
    """One change of many documents. `tags` are for `tag`; `folder_id` is for `move`, a folder of their owner.

    Without a folder, a move takes them out of all folders.
    """

    MAX_BYTES: ClassVar[int] = MANY_BYTES
    ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_DOCUMENTS)]
    action: BulkAction
    folder_id: UUID | None = None
    tags: Annotated[tuple[_Tag, ...], Field(max_length=MAX_TAGS)] = ()


@router.post(
    "",
    response_model=BulkResult,
    **operation("The outcome for each document.", access=DOCUMENT.action("change_many"), takes=KEYED),
)
async def change_documents(body: BulkChange, send: Send) -> Answer:
    """Archive, unarchive, trash, restore, move or tag up to 100 documents. Each takes what the single operation takes.

    What is refused for one document stops no other: its outcome is the code of the refusal. Outcomes are in the order
    of the ids. `tag` adds tags. All changes are stored together. After `too_much_text` send the rest again, with fewer
    documents.
    """
    return await send(ChangeDocuments(**body.model_dump()))
