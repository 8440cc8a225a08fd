"""Jobs: erase documents after 30 days in the trash, and archive documents that have not been saved for long."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.held_subjects import is_held
from application.jobs import ScheduledJob, performs, report_unread
from application.lookup import find
from application.ports import Clock, KeptDocuments, NotSettled, SendAsSystem, Store, Unreadable
from domain.content.document import Document
from domain.content.filing import TRASH_LIFETIME, archive_unchanged, erase_if_due
from domain.content.share_link import ShareLinks
from domain.kernel import NotFound

ArchiveAfter = timedelta | None
"""How long a document may stay unchanged before it is archived; None: for ever."""


class EraseTrashedDocument(Command[None]):
    """Erase a document whose time in the trash is over. Another one stays."""

    id: UUID


class ArchiveUnchangedDocument(Command[None]):
    """Archive a document that was not saved after a time. Another one stays as it is."""

    id: UUID
    since: datetime


class EraseTrashedDocuments(ScheduledJob, frozen=True, kw_only=True):
    """Erase all documents whose time in the trash is over."""

    kind: ClassVar[str] = "erase_trashed_documents"
    queue: ClassVar[str] = "default"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=50)
    every: ClassVar[str | None] = "37 * * * *"


class ArchiveUnchangedDocuments(ScheduledJob, frozen=True, kw_only=True):
    """Archive all documents that were not saved for as long as the installation says."""

    kind: ClassVar[str] = "archive_unchanged_documents"
    queue: ClassVar[str] = "default"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=50)
    every: ClassVar[str | None] = "47 2 * * *"


@handles
async def erase_trashed_document(cmd: EraseTrashedDocument, store: Store, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    if await is_held(store, document.owner.id):
        return
    erase_if_due(document, now=clock())
    store.save(document)
    if document.erased and (links := await find(store, ShareLinks, ShareLinks.id_of(document.id))) is not None:
        links.erase(now=clock())
        store.save(links)


@handles
async def archive_unchanged_document(cmd: ArchiveUnchangedDocument, store: Store, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    archive_unchanged(document, cmd.since, now=clock())
    store.save(document)


@performs
async def erase_trashed_documents(
    job: EraseTrashedDocuments, kept: KeptDocuments, send: SendAsSystem, clock: Clock
) -> None:
    before = clock() - TRASH_LIFETIME

    async def erase(id: UUID) -> None:
        await send(EraseTrashedDocument(id=id), f"{job.effect_key}:{id}:{before.isoformat()}")

    await _with_each(lambda after: kept.trashed(before, after=after), erase)


@performs
async def archive_unchanged_documents(
    job: ArchiveUnchangedDocuments, kept: KeptDocuments, send: SendAsSystem, clock: Clock, archive_after: ArchiveAfter
) -> None:
    if archive_after is None:
        return
    since = clock() - archive_after

    async def archive(id: UUID) -> None:
        await send(ArchiveUnchangedDocument(id=id, since=since), f"{job.effect_key}:{id}:{since.isoformat()}")

    await _with_each(lambda after: kept.unchanged(since, after=after), archive)


async def _with_each(
    page: Callable[[UUID | None], Awaitable[Sequence[UUID]]], act: Callable[[UUID], Awaitable[None]]
) -> None:
    """Act on each document of all pages. One that cannot be read stops no other.

    Raises:
        JobFailed: some could not be read.
    """
    last: UUID | None = None
    unread: list[UUID] = []
    while found := await page(last):
        for last in found:
            try:
                # The command is carried out and reads may follow later, or the document is gone.
                with suppress(NotSettled, NotFound):
                    await act(last)
            except Unreadable:
                unread.append(last)
    report_unread(unread)
