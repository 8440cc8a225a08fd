"""Versions of documents. Only this file writes and reads the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, RecordedEvent
from domain.content.document import Document
from projections.columns import columns_of
from projections.content.document import DocumentDetails, document
from projections.kernel import Change, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor

SHARING_EVENTS = {Document.Shared, Document.ShareChanged, Document.ShareRevoked}
MAX_VERSION = 2**62


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a document: the change, its author and its time. `title` is the new one, if it changed."""

    version: int
    change: str
    title: str | None
    restored_version: int | None
    author_id: UUID | None
    at: datetime


class DocumentVersions(ReadModel):
    """All versions, except those that changed shares, which only the owner may see."""

    version = 1
    roots = (Document,)
    table = Table(
        "document_version",
        key={"document_id": "uuid", "version": "bigint"},
        columns={
            "change": "text NOT NULL",
            "title": "text",
            "restored_version": "bigint",
            "author_id": "uuid",
            "at": "timestamptz NOT NULL",
        },
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        data = event.data
        if type(data) in SHARING_EVENTS:
            return
        if type(data) is Document.Erased:
            for version in range(1, event.version):
                yield self.table.drop(event.stream_id, version)
            return
        yield self.table.put(
            event.stream_id,
            event.version,
            change=event.topic.partition(".")[2],
            title=getattr(data, "title", None),
            restored_version=getattr(data, "restored_version", None),
            author_id=event.actor_id,
            at=moment_of(event),
        )


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    before: int


PAGE = f"""
SELECT {columns_of(VersionView)} FROM read.document_version
WHERE document_id = %s AND version < %s ORDER BY version DESC LIMIT %s
"""  # noqa: S608 - columns of our own view


@reads(DocumentVersions, DocumentDetails, "document_access")
async def versions(
    rows: ReadStore, actor: Actor, document_id: UUID, *, cursor: str | None = None, limit: int | None = None
) -> Page[VersionView] | None:
    """Return a document's versions, the latest first; None: the document does not exist for the actor.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    if await document(rows, actor, document_id) is None:
        return None
    size = bounded(limit)
    before = MAX_VERSION if cursor is None else min(read_cursor(cursor, _Cursor).before, MAX_VERSION)
    found = await rows.all(VersionView, PAGE, [document_id, before, size + 1])
    return page_of(found, size, lambda last: _Cursor(last.version))
