"""HTTP for lists of documents: parse, send, answer."""

from dataclasses import fields
from typing import Annotated, Literal, get_type_hints
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from adapters.http.api.lists import List
from adapters.http.api.openapi import listing
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Moment, PageQuery
from application.content.folder import ListedFolders, folders_of_list
from domain.access import DOCUMENT
from domain.content.document import Status
from domain.content.filing import TAG_LENGTH, usable_tag
from projections.content.document import DocumentFilter, DocumentSummary, Sort, documents

router = Router("/v1/documents", tag="documents")

FIELD = "|".join(field.name for field in fields(DocumentSummary))

ListedDocument = TypedDict("ListedDocument", get_type_hints(DocumentSummary), total=False)  # type: ignore[misc]
"""A document of a list: all fields, or those that the caller has chosen."""


class ListedDocuments(BaseModel):
    """Some documents of a list. `total`: the number of all of them, if it was asked for."""

    items: list[ListedDocument]
    next: str | None
    total: int | None = None


class DocumentQuery(PageQuery):
    """Filters, order and page of a list of documents."""

    status: Status | None = None
    trashed: Annotated[bool, Field(description="True: documents in the trash; false: all others.")] = False
    shared: Annotated[
        bool | None,
        Field(description="True: documents shared with the caller; false: the caller's own; without it: all."),
    ] = None
    team: Annotated[UUID | None, Field(description="Only documents of this team, and `folder` is one of its.")] = None
    owner: Annotated[UUID | None, Field(description="Only documents of this user or team.")] = None
    folder: Annotated[
        UUID | Literal["none"] | None,
        Field(description="Only the caller's own, or those of `team`, in this folder; `none`: in no folder."),
    ] = None
    tag: Annotated[
        str | None, Field(min_length=1, max_length=TAG_LENGTH, description="Only documents with this tag.")
    ] = None
    starred: Annotated[bool | None, Field(description="True: only with the caller's star; false: only without it.")] = (
        None
    )
    updated_since: Annotated[Moment | None, Field(description="Only what was saved at this time or later.")] = None
    sort: Annotated[Sort, Field(description="A minus sorts in descending order.")] = "-created_at"
    fields: Annotated[
        str | None,
        Field(
            pattern=f"^({FIELD})(,({FIELD}))*$",
            description="What the response says of each document, with commas: `id,title`. Without it: everything.",
        ),
    ] = None
    total: Annotated[bool, Field(description="True: with the number of all documents of the list.")] = False
    expand: Annotated[
        Literal["author"] | None, Field(description="`author`: with the name of the user who owns each document.")
    ] = None

    def filter(self, folders: ListedFolders) -> DocumentFilter:
        """Return what is wanted. `folders`: what documents in the folder of the query may name."""
        return DocumentFilter(
            trashed=self.trashed,
            shared=self.shared,
            status=self.status,
            updated_since=self.updated_since,
            tag=self.tag and usable_tag(self.tag),
            owner_id=self.owner,
            team_id=self.team,
            starred=self.starred,
            folder_ids=folders.inside,
            other_folder_ids=folders.outside,
        )

    @property
    def chosen(self) -> list[str] | None:
        """The fields that are wanted; None: all."""
        return self.fields.split(",") if self.fields else None


@router.get(
    "",
    response_model=ListedDocuments,
    **listing("A page of documents.", access=DOCUMENT.action("list"), fails=[404]),
)
async def list_documents(listed: Annotated[DocumentQuery, Query()], read: List) -> Response:
    """List documents without their content. They are the caller's own, their teams', and those shared with the caller.

    `Link` names the next page (`rel="next"`), as `next` does. With `Accept: application/jsonl` the response has all
    documents from the cursor on, one on each line, as they are read: for large lists.
    """
    wanted = listed.filter(await folders_of_list(read.history, read.actor, listed.folder, listed.team))
    return await read.listed(
        documents,
        read.actor,
        wanted,
        cursor=listed.cursor,
        fields=listed.chosen,
        sort=listed.sort,
        limit=listed.limit,
        counted=listed.total,
        names=read.names(listed.expand),
    )
