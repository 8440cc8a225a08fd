"""Versions of documents. Only this file writes and reads the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.commands import ReadResult
from application.ports import Actor, ReadStore, RecordedEvent
from domain.content.document import Document, Status
from projections.columns import columns_of
from projections.content.document import DocumentDetails, document
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor

MAX_VERSION = 2**62


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a document: what was saved, by whom and when.

    `title` and `status` are the new ones, if they changed.
    """

    version: int
    title: str | None
    content_changed: bool
    status: Status | None
    restored_version: int | None
    author_id: UUID | None
    at: datetime


class DocumentVersions(ReadModel):
    """All versions. A document has one more with each save; sharing and trashing make none."""

    version = 1
    roots = (Document,)
    personal = PersonalData("titles", "the event document.erased drops the rows", frozenset({"title"}))
    table = Table(
        "document_version",
        key={"document_id": "uuid", "version": "bigint"},
        columns={
            "title": "text",
            "content_changed": "boolean NOT NULL",
            "status": "text",
            "restored_version": "bigint",
            "author_id": "uuid",
            "at": "timestamptz NOT NULL",
        },
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.Created(title=title):
                values: dict[str, Any] = {"title": title, "content_changed": True, "status": "draft"}
                version, restored = 1, None
            case Document.Saved(revision=version, restored_revision=restored) as saved:
                values = {
                    # The length, not the title: an erased title reads as a text even if it stayed.
                    "title": None if saved.title_length is None else saved.title,
                    "content_changed": saved.content_length is not None,
                    "status": saved.status,
                }
            case Document.Erased():
                # There are no more revisions than events.
                for number in range(1, event.version):
                    yield self.table.drop(event.stream_id, number)
                return
            case _:
                return
        yield self.table.put(
            event.stream_id,
            version,
            **values,
            restored_version=restored,
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
) -> ReadResult[Page[VersionView]] | None:
    """Return a document's versions, the latest first; None: the document does not exist for the actor.

    Reading them is the use of an unused share.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    read = await document(rows, actor, document_id)
    if read is None:
        return None
    size = bounded(limit)
    before = MAX_VERSION if cursor is None else min(read_cursor(cursor, _Cursor).before, MAX_VERSION)
    found = await rows.all(VersionView, PAGE, [document_id, before, size + 1])
    return ReadResult(page_of(found, size, lambda last: _Cursor(last.version)), read.causes)
