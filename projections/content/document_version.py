"""What became of documents, step by step. This file owns the table: it alone writes it and reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports import ReadStore, RecordedEvent
from domain.content.document import Document
from projections.kernel import Change, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor

SHARING = {Document.Shared, Document.ShareChanged, Document.ShareRevoked}
LAST = 2**62


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a document: what changed, by whom and when. `title`, where that changed, is the new one."""

    version: int
    change: str
    title: str | None
    restored_version: int | None
    author_id: UUID | None
    at: datetime


class DocumentVersions(ReadModel):
    """Every version but those that only shared the document: these are its owner's business."""

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
        if type(data) in SHARING:
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


@reads(DocumentVersions)
async def versions(
    rows: ReadStore, document_id: UUID, *, cursor: str | None = None, limit: int | None = None
) -> Page[VersionView]:
    """A document's versions, the latest first. Whoever asks must have been let in to the document.

    Raises:
        BadCursor: the cursor is none of this list.
    """
    size = bounded(limit)
    before = LAST if cursor is None else min(read_cursor(cursor, _Cursor).before, LAST)
    query = """
        SELECT version, change, title, restored_version, author_id, at FROM read.document_version
        WHERE document_id = %s AND version < %s ORDER BY version DESC LIMIT %s
    """
    found = await rows.all(VersionView, query, [document_id, before, size + 1])
    return page_of(found, size, lambda last: _Cursor(last.version))
