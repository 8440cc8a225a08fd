"""Documents as they are now. This file owns the table: it alone writes it and reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from application.content.document import DocumentView
from application.ports import Actor, ReadStore, RecordedEvent
from domain.content import delta
from domain.content.delta import Delta
from domain.content.document import Document, Role, Status
from projections.content.document_access import DocumentAccess
from projections.kernel import CacheSpec, Change, ReadModel, Row, Table, moment_of, reads
from projections.page import BadCursor, Page, bounded, page_of, read_cursor, read_moment

Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]

BY_ID = """
SELECT id, owner_id, title, content, status, version, created_at, updated_at, trashed_at
FROM read.document WHERE id = ANY(%s)
"""
ROLE = "SELECT role FROM read.document_access WHERE document_id = %s AND address_id = %s"
OWN = """
SELECT d.id, d.owner_id, d.title, d.status, 'owner' AS role, d.version, d.created_at, d.updated_at, d.trashed_at
FROM read.document d WHERE d.owner_id = %(user_id)s
"""
SHARED = """
SELECT d.id, d.owner_id, d.title, d.status, a.role, d.version, d.created_at, d.updated_at, d.trashed_at
FROM read.document_access a JOIN read.document d ON d.id = a.document_id
WHERE a.address_id = %(address_id)s AND d.owner_id <> %(user_id)s
"""


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """A document in a list, without its content. `role`: what the reader is to it."""

    id: UUID
    owner_id: UUID
    title: str
    status: Status
    role: Role
    version: int
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None


class DocumentDetails(ReadModel):
    """Every document, in the trash or not."""

    version = 1
    roots = (Document,)
    table = Table(
        "document",
        key={"id": "uuid"},
        columns={
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
        news: dict[str, Any] = {}
        match event.data:
            case Document.Created(title=title, content=content, owner_id=owner_id, timestamp=moment):
                yield self.table.put(
                    event.stream_id,
                    owner_id=owner_id,
                    title=title,
                    content=content,
                    status="draft",
                    version=event.version,
                    created_at=moment,
                    updated_at=moment,
                    trashed_at=None,
                )
                return
            case Document.Edited(delta=steps):
                news = {"content": _edited(steps)}
            case Document.Retitled(title=title):
                news = {"title": title}
            case Document.Published():
                news = {"status": "published"}
            case Document.Archived():
                news = {"status": "archived"}
            case Document.Trashed(timestamp=moment):
                news = {"trashed_at": moment}
            case Document.RestoredFromTrash():
                news = {"trashed_at": None}
            case Document.RestoredToVersion(title=title, delta=steps):
                news = {"title": title, "content": _edited(steps)}
        yield self.table.set(event.stream_id, version=event.version, updated_at=moment_of(event), **news)


def _edited(steps: Delta) -> Callable[[Row], str]:
    return lambda row: delta.apply(row["content"], steps)


@reads(DocumentDetails, DocumentAccess)
async def document(rows: ReadStore, actor: Actor, id: UUID) -> DocumentView | None:
    """The document, for those who may read it; None: it does not exist for them."""
    found = await rows.by_key(DocumentView, BY_ID, id)
    return found if found is not None and await role_on(rows, actor, found) is not None else None


@reads(DocumentAccess)
async def role_on(rows: ReadStore, actor: Actor, found: DocumentView) -> Role | None:
    """What the actor is to the document; None: nothing."""
    if found.owner_id == actor.user_id:
        return "owner"
    if actor.address_id is None:
        return None
    access = await rows.one(_Access, ROLE, [found.id, actor.address_id])
    return None if access is None else access.role


@dataclass(frozen=True, slots=True)
class _Access:
    role: Role


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where a page ended: the last document's value of the column that sorts, and its id."""

    sort: Sort
    value: str
    id: UUID


@reads(DocumentDetails, DocumentAccess)
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
    """The documents that the actor owns or that are shared with their address, in the trash or out of it.

    `shared` asks for those that are shared with them (True) or that they own (False) alone.

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
    sources = [*([] if shared else [OWN]), *([SHARED] if shared is not False and actor.address_id else [])]
    if not sources:
        return Page([], None)
    found = await rows.all(DocumentSummary, _merged(sources, wheres, sort), params)
    return page_of(found, size, lambda last: _Cursor(sort, str(getattr(last, column)), last.id))


def _merged(sources: list[str], wheres: list[str], sort: Sort) -> str:
    """One list from several, each cut to size by itself."""
    column, direction = sort.lstrip("-"), "DESC" if sort.startswith("-") else "ASC"
    order = f"ORDER BY d.{column} {direction}, d.id {direction} LIMIT %(size)s"
    parts = [f"({source} AND {' AND '.join(wheres)} {order})" for source in sources]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS d {order}"  # noqa: S608 - of our own words alone


def _after(cursor: str, sort: Sort) -> dict[str, Any]:
    after = read_cursor(cursor, _Cursor)
    if after.sort != sort:
        raise BadCursor("This cursor belongs to a list in another order.")
    value = after.value if sort.endswith("title") else read_moment(after.value)
    return {"value": value, "id": after.id}
