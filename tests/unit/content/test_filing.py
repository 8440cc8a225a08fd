"""Where documents are kept: folders, tags, stars, the archive, and their end in the trash."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from application.content.document import CreateDocument, ShareDocument, TrashDocument
from application.content.filing import (
    ArchiveDocument,
    FileDocument,
    FilingView,
    TagDocument,
    UnarchiveDocument,
    document_filing,
)
from application.content.folder import CreateFolder
from application.content.kept_document import ArchiveUnchangedDocuments, EraseTrashedDocuments
from application.content.star import StarDocument, UnstarDocument
from application.jobs import JobFailed, perform
from application.ports import Actor
from domain.access import RoleTooLow
from domain.content.document import Document
from domain.content.filing import MAX_TAGS, TRASH_LIFETIME, archive_unchanged, erase_if_due, file, set_tags
from domain.content.refusals import DocumentIsTrashed, NoSuchFolder, TooManyTags
from domain.kernel import NotFound
from domain.text import UnusableText
from tests.support.given import NOW, fact, given, new_events, person
from tests.support.saves import created, saved
from tests.support.use_cases import CommandRunner

ADA = person(1)
FOLDER = UUID(int=0xF0)
TRASHED = fact(Document.Trashed)


def document(*past: object) -> Document:
    """Ada's document after these events."""
    return given(Document, created("Notes", "Otters.", ADA.user_id), *past)  # type: ignore[arg-type]


def test_tags_are_kept_in_lower_case_sorted_each_one_once() -> None:
    one = document()
    set_tags(one, ["Otters", "novel", " otters ", "E\u0301cole"], by=ADA, now=NOW)
    set_tags(one, ["novel", "otters", "\u00e9cole"], by=ADA, now=NOW)
    assert new_events(one) == [fact(Document.Tagged, tags=["novel", "otters", "\u00e9cole"])]
    assert one.revision == 1


@pytest.mark.parametrize("tag", ["", " ", "a\nb", "x" * 51, "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}" * 26])
def test_a_tag_is_a_short_line(tag: str) -> None:
    with pytest.raises(UnusableText):
        set_tags(document(), [tag], by=ADA, now=NOW)


def test_tags_are_bounded() -> None:
    one = document()
    set_tags(one, [str(number) for number in range(MAX_TAGS)], by=ADA, now=NOW)
    with pytest.raises(TooManyTags):
        set_tags(one, [str(number) for number in range(MAX_TAGS + 1)], by=ADA, now=NOW)


def test_a_document_is_filed_and_taken_out_of_its_folder() -> None:
    one = document()
    file(one, FOLDER, by=ADA, now=NOW)
    file(one, FOLDER, by=ADA, now=NOW)
    file(one, None, by=ADA, now=NOW)
    assert new_events(one) == [fact(Document.Filed, folder_id=FOLDER), fact(Document.Filed, folder_id=None)]


def test_a_document_in_the_trash_is_not_filed_and_not_tagged() -> None:
    one = document(TRASHED)
    with pytest.raises(DocumentIsTrashed):
        file(one, FOLDER, by=ADA, now=NOW)
    with pytest.raises(DocumentIsTrashed):
        set_tags(one, ["novel"], by=ADA, now=NOW)


def test_a_document_is_erased_when_its_time_in_the_trash_is_over() -> None:
    for wait, is_erased in ((TRASH_LIFETIME - timedelta(seconds=1), False), (TRASH_LIFETIME, True)):
        one = document(TRASHED)
        erase_if_due(one, now=NOW + wait)
        assert one.erased is is_erased
    restored = document(TRASHED, fact(Document.RestoredFromTrash))
    erase_if_due(restored, now=NOW + 2 * TRASH_LIFETIME)
    assert not restored.erased


@pytest.mark.parametrize(
    ("past", "since", "is_archived"),
    [
        ([], NOW, True),
        ([], NOW - timedelta(seconds=1), False),
        ([TRASHED], NOW, False),
        ([saved(2, status="archived")], NOW, False),
        ([saved(2, status="published")], NOW, True),
        ([fact(Document.Erased)], NOW, False),
    ],
)
def test_what_was_not_saved_for_long_is_archived(past: Sequence[object], since: datetime, is_archived: bool) -> None:
    one = document(*past)
    archive_unchanged(one, since, now=NOW)
    assert [each.kind for each in new_events(one)] == [Document.Saved] * is_archived
    assert is_archived is False or one.status == "archived"


async def test_an_archived_document_is_read_only_until_it_is_published_again() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    one = await runner.ask(CreateDocument(title="Notes"), ada)
    for _ in range(2):
        archived = await runner.ask(ArchiveDocument(id=one.id), ada)
        assert (archived.status, archived.version) == ("archived", 2)
    for _ in range(2):
        opened = await runner.ask(UnarchiveDocument(id=one.id), ada)
        assert (opened.status, opened.version) == ("published", 3)
    draft = await runner.ask(CreateDocument(title="Draft"), ada)
    assert (await runner.ask(UnarchiveDocument(id=draft.id), ada)).status == "draft"


async def shared(runner: CommandRunner) -> tuple[Actor, Actor, UUID]:
    """Ada, Bob, and a document of Ada's that Bob may edit."""
    ada, bob = await runner.actor("ada@example.org"), await runner.actor("bob@example.org")
    one = await runner.ask(CreateDocument(title="Notes"), ada)
    await runner.ask(ShareDocument(id=one.id, email="bob@example.org", role="editor"), ada)
    return ada, bob, one.id


async def test_only_the_owner_files_and_only_the_owner_sees_the_folder() -> None:
    runner = CommandRunner()
    ada, bob, id = await shared(runner)
    mine = await runner.ask(CreateFolder(name="Novels"), ada)
    theirs = await runner.ask(CreateFolder(name="Borrowed"), bob)
    with pytest.raises(NoSuchFolder):
        await runner.ask(FileDocument(id=id, folder_id=theirs.id), ada)
    with pytest.raises(RoleTooLow):
        await runner.ask(FileDocument(id=id, folder_id=theirs.id), bob)
    await runner.ask(FileDocument(id=id, folder_id=mine.id), ada)
    await runner.ask(TagDocument(id=id, tags=["otters"]), bob)
    await runner.ask(StarDocument(id=id), bob)
    assert (await document_filing(runner.store, ada, id, NOW)).view == FilingView(mine.id, ["otters"], False)
    assert (await document_filing(runner.store, bob, id, NOW)).view == FilingView(None, ["otters"], True)
    with pytest.raises(NotFound):
        await document_filing(runner.store, person(9), id, NOW)
    with pytest.raises(NotFound):
        await document_filing(runner.store, ada, UUID(int=9), NOW)


async def test_a_star_is_set_and_removed_once() -> None:
    runner = CommandRunner()
    ada, bob, id = await shared(runner)
    await runner.ask(UnstarDocument(id=id), bob)
    for command in (StarDocument, StarDocument, UnstarDocument, UnstarDocument, StarDocument):
        await runner.ask(command(id=id), bob)
    assert [topic for topic in runner.happened() if topic.startswith("star")] == [
        "star.placed", "star.removed", "star.placed_again",
    ]  # fmt: skip
    assert not (await document_filing(runner.store, ada, id, NOW)).view.starred
    with pytest.raises(NotFound):
        await runner.ask(StarDocument(id=id), person(9))


class Listed:
    """Implements `application.ports.KeptDocuments`: the documents of a list, one at a time, whatever their age."""

    def __init__(self, *ids: UUID) -> None:
        self.ids = ids
        self.asked: set[datetime] = set()

    async def trashed(self, before: datetime, *, after: UUID | None) -> list[UUID]:
        self.asked.add(before)
        start = 0 if after is None else self.ids.index(after) + 1
        return [*self.ids[start : start + 1]]

    async def unchanged(self, since: datetime, *, after: UUID | None) -> list[UUID]:
        return await self.trashed(since, after=after)


async def three(runner: CommandRunner) -> tuple[Actor, list[UUID]]:
    """Three documents of one person."""
    ada = await runner.actor("ada@example.org")
    return ada, [(await runner.ask(CreateDocument(title=str(number)), ada)).id for number in range(3)]


async def test_the_trash_is_emptied_by_a_schedule() -> None:
    runner = CommandRunner()
    ada, ids = await three(runner)
    for id in ids[:2]:
        await runner.ask(TrashDocument(id=id), ada)
    runner.now += TRASH_LIFETIME
    runner.store.unreadable.add(ids[0])
    kept = Listed(*ids, UUID(int=9))
    with pytest.raises(JobFailed, match=f"1 streams cannot be read: {ids[0]}"):
        await perform(EraseTrashedDocuments(), {**runner.performer_ports, "kept": kept})
    assert kept.asked == {NOW}
    assert runner.happened().count("document.erased") == 1
    with pytest.raises(NotFound):
        await document_filing(runner.store, ada, ids[1], NOW)
    assert (await document_filing(runner.store, ada, ids[2], NOW)).view.tags == []


async def test_what_was_long_not_changed_is_archived_by_a_schedule_if_the_installation_says_so() -> None:
    runner = CommandRunner()
    _, ids = await three(runner)
    runner.now += timedelta(days=100)
    ports = {**runner.performer_ports, "kept": Listed(*ids)}
    await perform(ArchiveUnchangedDocuments(), {**ports, "archive_after": None})
    assert "document.saved" not in runner.happened()
    for _ in range(2):
        await perform(ArchiveUnchangedDocuments(), {**ports, "archive_after": timedelta(days=100)})
    assert runner.happened().count("document.saved") == 3
