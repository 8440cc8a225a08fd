"""Versions of documents. Only this file writes and reads the table."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.commands import ReadResult
from application.content.document import DocumentView, document_view
from application.ports import Actor, EventStore, ReadStore, RecordedEvent, StoredEvents
from domain.content.blame import MAX_STEPS, Marks, marks_of, passages
from domain.content.document import Document, Status
from domain.content.refusals import HistoryTooLong
from domain.kernel import NotFound
from projections.columns import columns_of
from projections.content.document import DocumentDetails, document
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor

MAX_VERSION = 2**62
PAGE_EVENTS = 250
"""Events that are decoded together: other requests have their turns between two pages."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a document: what was saved, by whom and when.

    `title` and `status` are the new ones, if they changed. `name`: given to the version by people. Lengths are in code
    points: of the content, and of what was inserted into it and deleted from it.
    """

    version: int
    name: str | None
    title: str | None
    content_changed: bool
    content_length: int
    inserted: int
    deleted: int
    status: Status | None
    restored_version: int | None
    author_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class BlamedPassage:
    """The characters of a content from `start` to `end` (code points), and the version that wrote them."""

    start: int
    end: int
    version: int
    author_id: UUID | None
    at: datetime


@dataclass(frozen=True, slots=True)
class BlameView:
    """Who wrote which passage of a version of a document, from its start to its end."""

    version: int
    passages: list[BlamedPassage]


@dataclass(frozen=True, slots=True)
class ContentSave:
    """A save that changed the content. `event_version`: of its event in the stream."""

    version: int
    event_version: int
    restored_version: int | None
    author_id: UUID | None
    at: datetime


class DocumentVersions(ReadModel):
    """All versions. A document has one more with each save; sharing and trashing make none."""

    version = 2
    roots = (Document,)
    personal = PersonalData(
        "titles, and names of versions", "the event document.erased drops the rows", frozenset({"title", "name"})
    )
    table = Table(
        "document_version",
        key={"document_id": "uuid", "version": "bigint"},
        columns={
            "event_version": "bigint NOT NULL",
            "name": "text",
            "title": "text",
            "content_length": "bigint",
            "inserted": "bigint NOT NULL",
            "deleted": "bigint NOT NULL",
            "status": "text",
            "restored_version": "bigint",
            "author_id": "uuid",
            "at": "timestamptz NOT NULL",
        },
        indexes=["(document_id, version) WHERE content_length IS NOT NULL"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.Created(title=title, content_length=length):
                values: dict[str, Any] = {"title": title, "content_length": length, "status": "draft"}
                values |= {"inserted": length, "deleted": 0}
                version, restored = 1, None
            case Document.Saved(revision=version, restored_revision=restored) as saved:
                values = {
                    # The length, not the title: an erased title reads as a text even if it stayed.
                    "title": None if saved.title_length is None else saved.title,
                    "content_length": saved.content_length,
                    "inserted": saved.inserted,
                    "deleted": saved.deleted,
                    "status": saved.status,
                }
            case Document.VersionNamed(revision=number, name=name):
                yield self.table.set(event.stream_id, number, name=name)
                return
            case Document.VersionUnnamed(revision=number):
                yield self.table.set(event.stream_id, number, name=None)
                return
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
            name=None,
            event_version=event.version,
            restored_version=restored,
            author_id=event.actor_id,
            at=moment_of(event),
        )


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    before: int


PAGE = f"""
SELECT {columns_of(VersionView, "v", without={"content_changed", "content_length"})},
    v.content_length IS NOT NULL AS content_changed, coalesce(v.content_length, (
        SELECT w.content_length FROM read.document_version w
        WHERE w.document_id = v.document_id AND w.version < v.version AND w.content_length IS NOT NULL
        ORDER BY w.version DESC LIMIT 1
    )) AS content_length
FROM read.document_version v WHERE v.document_id = %s AND v.version < %s ORDER BY v.version DESC LIMIT %s
"""  # noqa: S608 - columns of our own view
CONTENT_SAVES = f"""
SELECT {columns_of(ContentSave)} FROM read.document_version
WHERE document_id = %s AND version <= %s AND content_length IS NOT NULL ORDER BY version
"""  # noqa: S608 - columns of our own view
AT = """
SELECT event_version FROM read.document_version WHERE document_id = %s AND at <= %s ORDER BY version DESC LIMIT 1
"""


# Not that of the read model of documents, which may be ahead.
LATEST = "SELECT version FROM read.document_version WHERE document_id = %s ORDER BY version DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class LatestVersion:
    """The latest version of a document whose changes are known."""

    version: int


@dataclass(frozen=True, slots=True)
class VersionPlace:
    """The version of the stream that a save made."""

    event_version: int


@reads(DocumentVersions, DocumentDetails, "document_access", "link_guest", "share_link", "user_profile")
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


@reads(DocumentVersions, DocumentDetails, "document_access", "link_guest", "share_link", "user_profile")
async def document_at(
    rows: ReadStore, events: EventStore, actor: Actor, id: UUID, at: datetime
) -> ReadResult[DocumentView] | None:
    """Return the document as the last save up to an instant left it; None: it does not exist for the actor.

    Raises:
        NotFound: it was created later.
    """
    read = await document(rows, actor, id)
    if read is None:
        return None
    place = await rows.one(VersionPlace, AT, [id, at])
    if place is None:
        raise NotFound("This document was created later; its first version says when.")
    earlier = await events.load(Document, id, version=place.event_version)
    return None if earlier is None else ReadResult(document_view(earlier), read.causes)


@reads(DocumentVersions, DocumentDetails, "document_access", "link_guest", "share_link", "user_profile")
async def blame(
    rows: ReadStore, stored: StoredEvents, actor: Actor, id: UUID, version: int | None
) -> ReadResult[BlameView] | None:
    """Return who wrote which passage of a version; None: the document does not exist for the actor.

    `version`: None is the current one. A passage that a restore brought back counts for the person who wrote it.

    Raises:
        NotFound: the document has no such version.
        HistoryTooLong: its changes have more than `MAX_STEPS`.
    """
    read = await document(rows, actor, id)
    if read is None:
        return None
    latest = await rows.one(LatestVersion, LATEST, [id])
    if latest is None:
        return None
    number = latest.version if version is None else version
    if not 1 <= number <= latest.version:
        raise NotFound(f"This document has the versions 1 to {latest.version}; name one of them.")
    saves = await rows.all(ContentSave, CONTENT_SAVES, [id, number])
    by_version = {save.version: save for save in saves}
    marks, steps = list[Marks](), 0
    async for each in _marks(stored, id, _lineage(saves)):
        steps += len(each)
        if steps > MAX_STEPS:
            raise HistoryTooLong("Too many changes led to this version; ask who wrote an earlier one.")
        marks.append(each)
    found = [
        BlamedPassage(start, end, revision, by_version[revision].author_id, by_version[revision].at)
        for start, end, revision in await asyncio.to_thread(passages, marks)
    ]
    return ReadResult(BlameView(number, found), read.causes)


def _lineage(saves: list[ContentSave]) -> list[ContentSave]:
    """Return the saves that a content comes from, the first one first: those behind a restored version left nothing."""
    versions, found = [save.version for save in saves], []
    at = len(saves) - 1
    while at >= 0:
        save = saves[at]
        if save.restored_version is None:
            found.append(save)
            at -= 1
        else:
            at = bisect_right(versions, save.restored_version) - 1
    return found[::-1]


async def _marks(stored: StoredEvents, id: UUID, saves: list[ContentSave]) -> AsyncIterator[Marks]:
    for first in range(0, len(saves), PAGE_EVENTS):
        page = saves[first : first + PAGE_EVENTS]
        events = await stored.events([(id, save.event_version) for save in page])
        for save, event in zip(page, events, strict=True):
            assert isinstance(event, Document.Created | Document.Saved)
            yield marks_of(event.steps, save.version)
