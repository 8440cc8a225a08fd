"""Current documents. Only this file writes the table; `projections/visibility.py` reads it, too."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from application.commands import ReadResult
from application.content.document import BindShare, DocumentView
from application.ports import Actor, ReadStore, RecordedEvent, StoredEvents
from domain.access import DOCUMENT
from domain.content import delta
from domain.content.document import Document, Status
from domain.content.roles import Role
from domain.kernel import Party, PartyKind
from projections.columns import columns_of, new_row, select_by_id
from projections.content.document_star import STARRED
from projections.kernel import CacheSpec, Change, PersonalData, ReadModel, Table, reads
from projections.names import with_names
from projections.page import BadCursor, Page, bounded, limited, page_of, read_cursor, read_moment
from projections.visibility import (
    BELONGS_TO,
    BELONGS_TO_TEAM,
    ROLE_MODELS,
    document_access,
    own_documents,
    roles_of_others,
    shared_documents,
    team_documents,
)

Sort = Literal["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """A document in a list, without its content. `role` and `starred` are the reader's.

    `owner_name`: the name of the user who owns it, if it was asked for.
    """

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
    tags: list[str]
    starred: bool
    owner_name: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentPage(Page[DocumentSummary]):
    """Some documents of a list. `total`: the number of all of them, if it was asked for."""

    items: list[DocumentSummary]
    total: int | None = None


@dataclass(frozen=True, slots=True)
class DocumentCount:
    """The number of documents in a list."""

    total: int


BY_ID = select_by_id(DocumentView, "document")
LISTED = f"{columns_of(DocumentSummary, 'd', without={'role', 'starred', 'owner_name'})}, {STARRED} AS starred"


class DocumentDetails(ReadModel):
    """All documents, also those in the trash; an erased one has no row."""

    version = 3
    roots = (Document,)
    personal = PersonalData(
        "titles, texts and tags",
        "the event document.erased drops the row; tags leave the statistics of PostgreSQL within minutes",
        frozenset({"title", "content", "tags"}),
        sampled=frozenset({"tags"}),
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
            "transferred_at": "timestamptz",
            "folder_id": "uuid",
            "tags": "text[] NOT NULL",
        },
        indexes=[
            "(owner_id, created_at, id)",
            "(owner_id, updated_at, id)",
            "(owner_id, title, id)",
            "(owner_id, status, created_at, id)",
            "(owner_id, folder_id, created_at, id)",
            "(trashed_at, id) WHERE trashed_at IS NOT NULL",
            "USING gin (tags)",
        ],
    )
    cached = CacheSpec("document", DocumentView, BY_ID, ttl=timedelta(minutes=5))

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.Created():
                unset = {"trashed_at": None, "transferred_at": None, "folder_id": None}
                yield new_row(self.table, event, status="draft", tags=[], **unset)
            case Document.Saved() as saved:
                yield self.table.set(event.stream_id, **_saved(saved))
            case Document.Trashed(timestamp=moment):
                yield self.table.set(event.stream_id, trashed_at=moment)
            case Document.RestoredFromTrash():
                yield self.table.set(event.stream_id, trashed_at=None)
            case Document.Filed(folder_id=folder_id):
                yield self.table.set(event.stream_id, folder_id=folder_id)
            case Document.Tagged(tags=tags):
                yield self.table.set(event.stream_id, tags=tags)
            case Document.OwnershipTransferred(owner_kind=owner_kind, owner_id=owner_id, timestamp=moment):
                owner = {"owner_kind": owner_kind, "owner_id": owner_id}
                yield self.table.set(event.stream_id, **owner, transferred_at=moment, folder_id=None)
            case Document.Erased():
                yield self.table.drop(event.stream_id)


def _saved(saved: Document.Saved) -> dict[str, Any]:
    """Return the columns that a save sets."""
    columns: dict[str, Any] = {"version": saved.revision, "updated_at": saved.timestamp}
    if saved.title is not None:
        columns["title"] = saved.title
    if saved.content_length is not None:
        columns["content"] = lambda row: delta.apply(row["content"], saved.steps)
    if saved.status is not None:
        columns["status"] = saved.status
    return columns


@reads(DocumentDetails, *ROLE_MODELS)
async def document(rows: ReadStore, actor: Actor, id: UUID) -> ReadResult[DocumentView] | None:
    """Return the document; None: it does not exist for the actor. Reading it is the use of an unused share."""
    found = await rows.by_key(DocumentView, BY_ID, id)
    if found is None:
        return None
    access = await document_access(rows, actor, id, Party(found.owner_kind, found.owner_id))
    if access.role is None:
        return None
    return ReadResult(found, BindShare(id=id) if access.unused else None)


@reads(DocumentDetails, *ROLE_MODELS)
async def own_document(rows: ReadStore, actor: Actor, id: UUID) -> DocumentView | None:
    """Return a document whose shares, links and publication the actor may see; None: it does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
    """
    found = await rows.by_key(DocumentView, BY_ID, id)
    if found is None:
        return None
    access = await document_access(rows, actor, id, Party(found.owner_kind, found.owner_id))
    if access.role is None:
        return None
    DOCUMENT.require("list_shares", access.role)
    return found


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The end of a page: the last document's value in the sort column, and its id."""

    sort: Sort
    value: str
    id: UUID


CONDITIONS = {
    "status": "d.status = %(status)s",
    "updated_since": "d.updated_at >= %(updated_since)s",
    "tag": "d.tags @> ARRAY[%(tag)s]",
    "owner_id": BELONGS_TO,
    "team_id": BELONGS_TO_TEAM,
    "starred": STARRED,
    "folder_ids": "d.folder_id = ANY(%(folder_ids)s)",
    "other_folder_ids": "(d.folder_id IS NULL OR d.folder_id <> ALL(%(other_folder_ids)s))",
}
"""What lists can be filtered by."""


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list; None: it does not matter. All but `trashed` and `shared` are in `CONDITIONS`.

    `trashed`: in the trash (True) or out of it. `shared`: only documents that are shared with the actor (True), or that
    the actor owns (False). `folder_ids`: in one of these folders; `other_folder_ids`: in none of these: folders of the
    team `team_id`, or else of the actor.
    """

    trashed: bool = False
    shared: bool | None = None
    status: Status | None = None
    updated_since: datetime | None = None
    tag: str | None = None
    owner_id: UUID | None = None
    team_id: UUID | None = None
    starred: bool | None = None
    folder_ids: list[UUID] | None = None
    other_folder_ids: list[UUID] | None = None


ALL = DocumentFilter()

ListSource = Callable[[str, str], str]
"""A query of documents: from its columns and the rest after its own conditions."""


@reads(DocumentDetails, *ROLE_MODELS, "document_star")
async def documents(
    rows: ReadStore,
    actor: Actor,
    wanted: DocumentFilter = ALL,
    *,
    sort: Sort = "-created_at",
    cursor: str | None = None,
    limit: int | None = None,
    counted: bool = False,
    names: StoredEvents | None = None,
) -> DocumentPage:
    """Return the documents of the actor and their teams, and those shared with them, as far as the filter wants them.

    A list is no use of a share. `counted`: with the number of all of them. `names`: where to read the owners' names.

    Raises:
        BadCursor: the cursor does not belong to a list in this order.
    """
    size, column = bounded(limit), sort.lstrip("-")
    params = {"user_id": actor.user_id, "address_id": actor.address_id, "size": size + 1, **_given(wanted)}
    wheres, sources = _wheres(wanted), _sources(wanted)
    if not sources:
        return DocumentPage([], None, 0 if counted else None)
    total = await rows.one(DocumentCount, _count(sources, wheres), params) if counted else None
    if cursor is not None:
        wheres.append(f"(d.{column}, d.id) {'<' if sort.startswith('-') else '>'} (%(value)s, %(id)s)")
        params |= _after(cursor, sort)
    shown = limited(size)
    if wanted.tag is not None and len(sources) > 1:
        # How common a tag is decides about the best plan, so this query is planned each time: for several sources that
        # takes milliseconds, and only a limit that is a parameter brings PostgreSQL to it.
        sources = await _with_rows(rows, actor, sources)
        shown = shown if len(sources) == 1 else "LIMIT %(size)s"
    found = await rows.all(DocumentSummary, _merged(sources, wheres, sort, shown), params)
    page = page_of(found, size, lambda last: _Cursor(sort, str(getattr(last, column)), last.id))
    items = await with_names(rows, names, page.items, ids="owner_id", names="owner_name")
    return DocumentPage(items, page.next, None if total is None else total.total)


def _given(wanted: DocumentFilter) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in CONDITIONS}


def _wheres(wanted: DocumentFilter) -> list[str]:
    found = ["d.trashed_at IS NOT NULL" if wanted.trashed else "d.trashed_at IS NULL"]
    for name, value in _given(wanted).items():
        if value is not None:
            found.append(CONDITIONS[name] if value is not False else f"NOT {CONDITIONS[name]}")
    return found


def _sources(wanted: DocumentFilter) -> Sequence[ListSource]:
    """Return the queries of the documents that may be wanted. No document is in two of them.

    Folders are seen by the owner only, or by the members of the team.
    """
    if wanted.shared is not None:
        sources = [shared_documents] if wanted.shared else [own_documents]
    else:
        sources = [own_documents, team_documents, shared_documents]
    if wanted.folder_ids is None and wanted.other_folder_ids is None:
        return sources
    with_folders = own_documents if wanted.team_id is None else team_documents
    return [source for source in sources if source is with_folders]


@reads("document", *ROLE_MODELS)
async def _with_rows(rows: ReadStore, actor: Actor, sources: Sequence[ListSource]) -> Sequence[ListSource]:
    """Return the sources that have documents of the actor now; the first of them if none has."""
    roles = await roles_of_others(rows, actor)
    full: list[ListSource] = [own_documents]
    full += [team_documents] if roles.by_teams else []
    full += [shared_documents] if roles.otherwise else []
    return [source for source in sources if source in full] or sources[:1]


def _count(sources: Sequence[ListSource], wheres: list[str]) -> str:
    rest = " AND ".join(wheres)
    parts = [f"SELECT count(*) AS found FROM ({source(LISTED, rest)}) AS d" for source in sources]  # noqa: S608
    return f"SELECT coalesce(sum(found), 0)::bigint AS total FROM ({' UNION ALL '.join(parts)}) AS t"  # noqa: S608


def _merged(sources: Sequence[ListSource], wheres: list[str], sort: Sort, limit: str) -> str:
    """Return one list of several sources, each of which is sorted and limited by itself."""
    column, direction = sort.lstrip("-"), "DESC" if sort.startswith("-") else "ASC"
    order = f"ORDER BY d.{column} {direction}, d.id {direction} {limit}"
    rest = f"{' AND '.join(wheres)} {order}"
    parts = [f"({source(LISTED, rest)})" for source in sources]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) AS d {order}"  # noqa: S608 - our own words only


def _after(cursor: str, sort: Sort) -> dict[str, Any]:
    after = read_cursor(cursor, _Cursor)
    if after.sort != sort:
        raise BadCursor("This cursor belongs to a list in another order.")
    value = after.value if sort.endswith("title") else read_moment(after.value)
    return {"value": value, "id": after.id}
