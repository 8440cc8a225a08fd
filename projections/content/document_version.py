"""Versions of documents. Only this file writes and reads the table."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.commands import ReadResult
from application.content.document import DocumentView, document_view
from application.ports import Actor, EventStore, ReadStore, RecordedEvent, StoredEvents
from domain.content.blame import MAX_STEPS, Marks, Passage, marks_of, passages
from domain.content.document import Document, Status
from domain.content.refusals import HistoryTooLong
from domain.content.retention import ShownHistory
from domain.kernel import NotFound, Party
from projections.columns import columns_of
from projections.content.document import DocumentDetails, document
from projections.content.written_text import WrittenText, written_texts
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.names import with_names
from projections.page import Page, bounded, page_of, read_cursor
from projections.retention import shown_history
from projections.visibility import ROLE_MODELS

MAX_VERSION = 2**62
PAGE_EVENTS = 250
"""Events that are decoded together: other requests have their turns between two pages."""


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of a document: what was saved, by whom and when.

    `title` and `status` are the new ones, if they changed. `name`: given to the version by people. Lengths are in code
    points: of the content, and of what was inserted into it and deleted from it. `author_name`: if it was asked for.
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
    author_name: str | None = None


@dataclass(frozen=True, slots=True)
class HiddenVersions:
    """Versions that the plan of the document's owner hides. `since`: all states from then on are shown."""

    count: int
    since: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class VersionPage(Page[VersionView]):
    """Some versions of a document. `hidden`: those that the list leaves out; None: it leaves none out."""

    items: list[VersionView]
    hidden: HiddenVersions | None = None


@dataclass(frozen=True, slots=True)
class BlamedPassage:
    """The characters of a content from `start` to `end` (code points), and the version that wrote them.

    `model`: the one that wrote them, as a part of the text `generation_id`, which the author had asked for; None:
    people did. `is_sandbox`: no model wrote that text, but a stand-in for one.
    """

    start: int
    end: int
    version: int
    author_id: UUID | None
    at: datetime
    model: str | None = None
    generation_id: UUID | None = None
    is_sandbox: bool | None = None


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


REPLACED_AT = """(
    SELECT n.at FROM read.document_version n WHERE n.document_id = v.document_id AND n.version = v.version + 1
)"""
SHOWN = f"(v.version = 1 OR v.name IS NOT NULL OR coalesce({REPLACED_AT} >= %(since)s, true))"
"""The condition that the version `v` is not hidden, as `ShownHistory.hides` says it. `since`: NULL shows all."""

PAGE = f"""
SELECT {columns_of(VersionView, "v", without={"content_changed", "content_length", "author_name"})},
    v.content_length IS NOT NULL AS content_changed, coalesce(v.content_length, (
        SELECT w.content_length FROM read.document_version w
        WHERE w.document_id = v.document_id AND w.version < v.version AND w.content_length IS NOT NULL
        ORDER BY w.version DESC LIMIT 1
    )) AS content_length
FROM read.document_version v
WHERE v.document_id = %(id)s AND v.version < %(before)s AND {SHOWN} ORDER BY v.version DESC LIMIT %(size)s
"""  # noqa: S608 - columns of our own view
HIDDEN = f"""
SELECT count(*) AS count FROM read.document_version v WHERE v.document_id = %(id)s AND NOT {SHOWN}
"""  # noqa: S608 - our own words only
CONTENT_SAVES = f"""
SELECT {columns_of(ContentSave)} FROM read.document_version
WHERE document_id = %s AND version <= %s AND content_length IS NOT NULL ORDER BY version
"""  # noqa: S608 - columns of our own view
PLACE = f"""
SELECT v.version, v.event_version, v.name IS NOT NULL AS named, {REPLACED_AT} AS replaced_at
FROM read.document_version v WHERE v.document_id = %s
"""  # noqa: S608 - our own words only
AT = f"{PLACE} AND v.at <= %s ORDER BY v.version DESC LIMIT 1"
BY_VERSION = f"{PLACE} AND v.version = %s"


# Not that of the read model of documents, which may be ahead.
LATEST = "SELECT version FROM read.document_version WHERE document_id = %s ORDER BY version DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class LatestVersion:
    """The latest version of a document whose changes are known."""

    version: int


@dataclass(frozen=True, slots=True)
class VersionPlace:
    """A version, and the version of the stream that its save made. `replaced_at`: when the next one was saved."""

    version: int
    event_version: int
    named: bool
    replaced_at: datetime | None


@dataclass(frozen=True, slots=True)
class VersionCount:
    """A number of versions."""

    count: int


@reads(DocumentVersions, DocumentDetails, *ROLE_MODELS, "subscription", "user_profile")
async def versions(
    rows: ReadStore,
    actor: Actor,
    document_id: UUID,
    *,
    now: datetime,
    cursor: str | None = None,
    limit: int | None = None,
    names: StoredEvents | None = None,
) -> ReadResult[VersionPage] | None:
    """Return a document's versions, the latest first; None: the document does not exist for the actor.

    Reading them is the use of an unused share. What the plan of the owner hides now is counted only. `names`: where to
    read the names of authors, if they are wanted.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    read = await document(rows, actor, document_id)
    if read is None:
        return None
    shown = await shown_history(rows, _owner_of(read.view), now)
    size = bounded(limit)
    before = MAX_VERSION if cursor is None else min(read_cursor(cursor, _Cursor).before, MAX_VERSION)
    params = {"id": document_id, "since": shown.since, "before": before, "size": size + 1}
    page = page_of(await rows.all(VersionView, PAGE, params), size, lambda last: _Cursor(last.version))
    items = await with_names(rows, names, page.items, ids="author_id", names="author_name")
    return ReadResult(VersionPage(items, page.next, await _hidden(rows, document_id, shown)), read.causes)


@reads(DocumentVersions)
async def _hidden(rows: ReadStore, document_id: UUID, shown: ShownHistory) -> HiddenVersions | None:
    if shown.since is None:
        return None
    found = await rows.one(VersionCount, HIDDEN, {"id": document_id, "since": shown.since})
    return HiddenVersions(found.count, shown.since, shown.advice) if found is not None and found.count else None


@reads(DocumentVersions, DocumentDetails, *ROLE_MODELS, "subscription")
async def document_at(
    rows: ReadStore, events: EventStore, actor: Actor, id: UUID, at: datetime, *, now: datetime
) -> ReadResult[DocumentView] | None:
    """Return the document as the last save up to an instant left it; None: it does not exist for the actor.

    Raises:
        NotFound: it was created later.
        VersionHidden: the plan of its owner hides this version.
    """
    read = await document(rows, actor, id)
    if read is None:
        return None
    place = await rows.one(VersionPlace, AT, [id, at])
    if place is None:
        raise NotFound("This document was created later; its first version says when.")
    _require_shown(await shown_history(rows, _owner_of(read.view), now), place)
    earlier = await events.load(Document, id, version=place.event_version)
    return None if earlier is None else ReadResult(document_view(earlier), read.causes)


@reads(DocumentVersions, DocumentDetails, *ROLE_MODELS, "subscription", "generation")
async def blame(
    rows: ReadStore, stored: StoredEvents, actor: Actor, id: UUID, version: int | None, *, now: datetime
) -> ReadResult[BlameView] | None:
    """Return who wrote which passage of a version; None: the document does not exist for the actor.

    `version`: None is the current one. A passage that a restore brought back counts for the person who wrote it, and
    for the model. The versions that wrote passages are named, also if the plan of the owner hides them.

    Raises:
        NotFound: the document has no such version.
        VersionHidden: the plan of its owner hides this version.
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
    place = await rows.one(VersionPlace, BY_VERSION, [id, number])
    if place is not None:
        _require_shown(await shown_history(rows, _owner_of(read.view), now), place)
    saves = await rows.all(ContentSave, CONTENT_SAVES, [id, number])
    texts = await written_texts(rows, id)
    by_version = {save.version: save for save in saves}
    found = await asyncio.to_thread(passages, await _all_marks(stored, id, saves, texts))
    blamed = [_blamed(each, by_version[each.revision], texts) for each in found]
    return ReadResult(BlameView(number, blamed), read.causes)


def _blamed(passage: Passage, save: ContentSave, texts: Mapping[int, WrittenText]) -> BlamedPassage:
    blamed = BlamedPassage(passage.start, passage.end, save.version, save.author_id, save.at)
    if passage.generation_id is None:
        return blamed
    text = texts[save.version]
    return replace(blamed, model=text.model, generation_id=text.generation_id, is_sandbox=text.is_sandbox)


def _owner_of(view: DocumentView) -> Party:
    return Party(view.owner_kind, view.owner_id)


def _require_shown(shown: ShownHistory, place: VersionPlace) -> None:
    shown.require(place.version, named=place.named, replaced_at=place.replaced_at)


async def _all_marks(
    stored: StoredEvents, id: UUID, saves: list[ContentSave], texts: Mapping[int, WrittenText]
) -> list[Marks]:
    marks, steps = list[Marks](), 0
    async for each in _marks(stored, id, _lineage(saves), texts):
        steps += len(each)
        if steps > MAX_STEPS:
            raise HistoryTooLong("Too many changes led to this version; ask who wrote an earlier one.")
        marks.append(each)
    return marks


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


async def _marks(
    stored: StoredEvents, id: UUID, saves: list[ContentSave], texts: Mapping[int, WrittenText]
) -> AsyncIterator[Marks]:
    for first in range(0, len(saves), PAGE_EVENTS):
        page = saves[first : first + PAGE_EVENTS]
        events = await stored.events([(id, save.event_version) for save in page])
        for save, event in zip(page, events, strict=True):
            assert isinstance(event, Document.Created | Document.Saved)
            text = texts.get(save.version)
            yield marks_of(event.steps, save.version, None if text is None else text.place)
