"""Current documents. Only this file writes the table; `projections/visibility.py` reads it, too."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from application.commands import ReadResult
from application.content.document import BindShare, DocumentView
from application.ports import Actor, ReadStore, RecordedEvent
from domain.content.document import Document, Role, Status
from domain.kernel import Party, PartyKind
from projections.columns import columns_of, new_row, select_by_id
from projections.kernel import CacheSpec, Change, PersonalData, ReadModel, Table, reads
from projections.page import BadCursor, Page, bounded, page_of, read_cursor, read_moment
from projections.visibility import document_access, own_documents, shared_documents

Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """A document in a list, without its content. `role` is the reader's."""

    id: UUID
    owner_kind: PartyKind
    owner_id: UUID
    title: str
    status: Status
    role: Role
    version: int
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None


BY_ID = select_by_id(DocumentView, "document")
LISTED = columns_of(DocumentSummary, "d", without={"role"})


class DocumentDetails(ReadModel):
    """All documents, also those in the trash; an erased one has no row."""

    version = 1
    roots = (Document,)
    personal = PersonalData(
        "titles and texts", "the event document.erased drops the row", frozenset({"title", "content"})
    )
    table = Table(
        "document",
        key={"id": "uuid"},
        columns={
            "owner_kind": "text NOT NULL",
            "owner_id": "uuid NOT NULL",
            "title": "text NOT NULL",
            "content": "text NOT NULL",
            "status": "text NOT NULL",
            "version": "bigint NOT NULL",
            "created_at": "timestamptz NOT NULL",
            "updated_at": "timestamptz NOT NULL",
            "trashed_at": "timestamptz",
        },
        indexes=["(owner_id, created_at, id)"],
    )
    cached = CacheSpec("document", DocumentView, BY_ID, ttl=timedelta(minutes=5))

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.Created():
                yield new_row(self.table, event, status="draft", trashed_at=None)
            case Document.Saved() as saved:
                yield self.table.set(event.stream_id, **_saved(saved))
            case Document.Trashed(timestamp=moment):
                yield self.table.set(event.stream_id, trashed_at=moment)
            case Document.RestoredFromTrash():
                yield self.table.set(event.stream_id, trashed_at=None)
            case Document.Erased():
                yield self.table.drop(event.stream_id)


def _saved(saved: Document.Saved) -> dict[str, Any]:
    """Return the columns that a save sets."""
    columns: dict[str, Any] = {"version": saved.revision, "updated_at": saved.timestamp}
    if saved.title is not None:
        columns["title"] = saved.title
    if saved.content_length is not None:
        columns["content"] = lambda row: saved.content_after(row["content"])
    if saved.status is not None:
        columns["status"] = saved.status
    return columns


@reads(DocumentDetails, "document_access")
async def document(rows: ReadStore, actor: Actor, id: UUID) -> ReadResult[DocumentView] | None:
    """Return the document; None: it does not exist for the actor. Reading it is the use of an unused share."""
    found = await rows.by_key(DocumentView, BY_ID, id)
    if found is None:
        return None
    access = await document_access(rows, actor, id, Party(found.owner_kind, found.owner_id))
    if access.role is None:
        return None
    return ReadResult(found, BindShare(id=id) if access.unused else None)


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The end of a page: the last document's value in the sort column, and its id."""

    sort: Sort
    value: str
    id: UUID


@reads(DocumentDetails, "document_access")
async def documents(
    rows: ReadStore,
    actor: Actor,
    *,
    status: Status | None = None,
    trashed: bool = False,
    shared: bool | None = None,
    sort: Sort = "-created_at",
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[DocumentSummary]:
    """Return the documents that the actor owns or that are shared with them, in the trash or out of it.

    A list is no use of a share.

    `shared`: only documents that are shared with them (True) or that they own (False).

    Raises:
        BadCursor: the cursor does not belong to a list in this order.
    """
    size, column = bounded(limit), sort.lstrip("-")
    params = {"user_id": actor.user_id, "address_id": actor.address_id, "status": status, "size": size + 1}
    wheres = ["d.trashed_at IS NOT NULL" if trashed else "d.trashed_at IS NULL"]
    if status is not None:
        wheres.append("d.status = %(status)s")
    if cursor is not None:
        wheres.append(f"(d.{column}, d.id) {'<' if sort.startswith('-') else '>'} (%(value)s, %(id)s)")
        params |= _after(cursor, sort)
    sources = [] if shared else [own_documents(LISTED)]
    if shared is not False:
        sources.append(shared_documents(LISTED))
    found = await rows.all(DocumentSummary, _merged(sources, wheres, sort), params)
    return page_of(found, size, lambda last: _Cursor(sort, str(getattr(last, column)), last.id))


def _merged(sources: list[str], wheres: list[str], sort: Sort) -> str:
    """Return one list of several sources, each of which is sorted and limited by itself."""
    column, direction = sort.lstrip("-"), "DESC" if sort.startswith("-") else "ASC"
    order = f"ORDER BY d.{column} {direction}, d.id {direction} LIMIT %(size)s"
    parts = [f"({source} AND {' AND '.join(wheres)} {order})" for source in sources]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS d {order}"  # noqa: S608 - our own words only


def _after(cursor: str, sort: Sort) -> dict[str, Any]:
    after = read_cursor(cursor, _Cursor)
    if after.sort != sort:
        raise BadCursor("This cursor belongs to a list in another order.")
    value = after.value if sort.endswith("title") else read_moment(after.value)
    return {"value": value, "id": after.id}
