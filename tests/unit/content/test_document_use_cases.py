"""Use cases of documents."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from application.billing.subscription import ChangePlan
from application.commands import ReadResult
from application.content.document import (
    BindShare,
    ChangeDocument,
    ChangeShare,
    CreateDocument,
    DocumentView,
    DuplicateDocument,
    RestoreFromTrash,
    RestoreVersion,
    RevokeShare,
    ShareDocument,
    TrashDocument,
    document_at_version,
)
from application.ports import Actor, StaleVersion
from domain.access import RoleTooLow
from domain.billing.subscription import QuotaExceeded
from domain.content.roles import ShareRole
from domain.content.texts import TITLE_LENGTH
from domain.kernel import NotFound
from domain.text import UnusableEmail
from tests.support.given import NOW
from tests.support.use_cases import CommandRunner

BOBS = "bob@example.org"


async def two(runner: CommandRunner) -> tuple[Actor, Actor]:
    return await runner.actor("ada@example.org"), await runner.actor(BOBS)


async def write(runner: CommandRunner, by: Actor) -> DocumentView:
    return await runner.ask(CreateDocument(title="Title", content="one two"), by)


def changed(document: DocumentView, content: str) -> ChangeDocument:
    return ChangeDocument(id=document.id, title="Title", content=content, status="draft")


async def test_a_document_and_its_quota_come_in_one_append() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    view = await write(runner, ada)
    assert runner.happened()[-2:] == ["document.created", "subscription.quota_used"]
    assert view == DocumentView(
        id=view.id,
        owner_kind="user",
        owner_id=ada.user_id,
        title="Title",
        content="one two",
        status="draft",
        version=1,
        created_at=NOW,
        updated_at=NOW,
        trashed_at=None,
        transferred_at=None,
    )


async def test_a_repeated_key_gives_the_same_document_and_uses_no_more_quota() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    command = CreateDocument(title="Title", content="one two")
    first = await runner.send(command, ada, key="key")
    again = await runner.send(command, ada, key="key")
    assert (again.answer, again.replayed) == (first.answer, True)
    assert runner.happened().count("subscription.quota_used") == 1


async def test_the_free_plan_ends_with_the_fifth_document() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    for _ in range(5):
        await write(runner, ada)
    before = runner.happened()
    with pytest.raises(QuotaExceeded):
        await write(runner, ada)
    assert runner.happened() == before
    await runner.ask(ChangePlan(plan="pro"), ada)
    await write(runner, ada)
    assert runner.happened()[-2:] == ["subscription.plan_changed", "document.created"]


async def test_parallel_creates_do_not_exceed_the_quota() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    for _ in range(4):
        await write(runner, ada)
    outcomes = await asyncio.gather(*(write(runner, ada) for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(outcome, DocumentView) for outcome in outcomes) == 1
    assert runner.happened().count("document.created") == 5


async def test_trash_gives_no_quota_back() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    for _ in range(5):
        document = await write(runner, ada)
    await runner.ask(TrashDocument(id=document.id), ada)
    with pytest.raises(QuotaExceeded):
        await write(runner, ada)


async def test_a_change_of_an_old_version_is_refused() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    document = await write(runner, ada)
    assert (await runner.ask(changed(document, "three"), ada, match="1")).version == 2
    for command in (
        changed(document, "four"),
        TrashDocument(id=document.id),
        RestoreFromTrash(id=document.id),
        RestoreVersion(id=document.id, version=1),
    ):
        with pytest.raises(StaleVersion, match="The current version is 2"):
            await runner.ask(command, ada, match="1")


async def test_what_is_no_save_leaves_the_version_and_the_time_of_the_last_save() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    document = await write(runner, ada)
    runner.now += timedelta(hours=1)
    await runner.ask(ShareDocument(id=document.id, email=BOBS, role="viewer"), ada)
    trashed = await runner.ask(TrashDocument(id=document.id), ada, match="1")
    assert replace(trashed, trashed_at=None) == document
    assert await runner.ask(RestoreFromTrash(id=document.id), ada, match=trashed.etag) == document
    saved = await runner.ask(changed(document, "three"), ada, match="1")
    assert (saved.version, saved.updated_at) == (2, runner.now)
    assert (await document_at_version(runner.store, ada, document.id, 1, NOW)).view == document
    assert (await document_at_version(runner.store, ada, document.id, 2, NOW)).view == saved
    await runner.ask(TrashDocument(id=document.id), ada)
    assert (await document_at_version(runner.store, ada, document.id, 2, NOW)).view == saved


async def test_a_stranger_learns_nothing_not_even_the_version() -> None:
    runner = CommandRunner()
    ada, bob = await two(runner)
    document = await write(runner, ada)
    nowhere = replace(document, id=UUID(int=9))
    details = set()
    for target in (document, nowhere):
        for command in (
            changed(target, "three"),
            TrashDocument(id=target.id),
            RestoreVersion(id=target.id, version=1),
            ShareDocument(id=target.id, email=BOBS, role="viewer"),
            RevokeShare(id=target.id, email=BOBS),
        ):
            for match in (None, "7"):
                with pytest.raises(NotFound) as refused:
                    await runner.ask(command, bob, match=match)
                details.add((refused.value.code, refused.value.detail))
        with pytest.raises(NotFound) as refused:
            await document_at_version(runner.store, bob, target.id, 1, NOW)
        details.add((refused.value.code, refused.value.detail))
    assert details == {("not_found", "There is no such document.")}


async def test_a_document_may_begin_without_content() -> None:
    """Survived a mutation: the content of a document that names none."""
    runner = CommandRunner()
    assert (await runner.ask(CreateDocument(title="Notes"), await runner.actor("ada@example.org"))).content == ""


async def test_a_share_opens_the_document_to_the_person_who_verified_that_address() -> None:
    runner = CommandRunner()
    ada, bob = await two(runner)
    document = await write(runner, ada)
    await runner.ask(ShareDocument(id=document.id, email="BOB@example.org", role="viewer"), ada)
    with pytest.raises(RoleTooLow):
        await runner.ask(changed(document, "three"), bob)
    with pytest.raises(NotFound):
        await runner.ask(changed(document, "three"), Actor(bob.user_id))
    await runner.ask(ChangeShare(id=document.id, email=BOBS, role="editor"), ada)
    assert (await runner.ask(changed(document, "three"), bob)).content == "three"
    await runner.ask(RevokeShare(id=document.id, email=BOBS), ada)
    with pytest.raises(NotFound):
        await runner.ask(changed(document, "four"), bob)


async def shared(runner: CommandRunner, role: ShareRole = "editor") -> tuple[DocumentView, Actor, Actor]:
    """A document that Ada shares with Bob; Bob; and the next holder of Bob's address."""
    ada, bob = await two(runner)
    document = await write(runner, ada)
    await runner.ask(ShareDocument(id=document.id, email=BOBS, role=role), ada)
    return document, bob, Actor(UUID(int=7), bob.address_id)


async def test_the_first_command_by_a_share_binds_it_in_the_same_append() -> None:
    runner = CommandRunner()
    document, bob, heir = await shared(runner)
    await runner.ask(changed(document, "three"), bob)
    assert runner.happened()[-2:] == ["document.share_bound", "document.saved"]
    with pytest.raises(NotFound):
        await runner.ask(changed(document, "four"), heir)
    assert (await runner.ask(changed(document, "four"), Actor(bob.user_id))).content == "four"
    assert runner.happened().count("document.share_bound") == 1


async def test_a_refused_command_binds_no_share() -> None:
    runner = CommandRunner()
    document, bob, heir = await shared(runner, "viewer")
    for command in (changed(document, "three"), TrashDocument(id=document.id)):
        with pytest.raises(RoleTooLow):
            await runner.ask(command, bob)
    await runner.ask(BindShare(id=document.id), heir)
    with pytest.raises(NotFound):
        await runner.ask(BindShare(id=document.id), bob)


async def test_reading_a_version_is_the_first_use_of_a_share() -> None:
    runner = CommandRunner()
    document, bob, heir = await shared(runner, "viewer")
    first = await document_at_version(runner.store, bob, document.id, 1, NOW)
    assert first == ReadResult(document, BindShare(id=document.id))
    for _ in range(2):
        await runner.ask(BindShare(id=document.id), bob)
    assert runner.happened().count("document.share_bound") == 1
    assert await document_at_version(runner.store, bob, document.id, 1, NOW) == ReadResult(document, None)
    with pytest.raises(NotFound):
        await document_at_version(runner.store, heir, document.id, 1, NOW)


@pytest.mark.parametrize("command", [ShareDocument, ChangeShare])
async def test_what_is_no_address_is_refused(command: type[ShareDocument] | type[ChangeShare]) -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    document = await write(runner, ada)
    with pytest.raises(UnusableEmail):
        await runner.ask(command(id=document.id, email="bob\ud800", role="viewer"), ada)


async def test_a_document_goes_to_the_trash_and_comes_back() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    document = await write(runner, ada)
    assert (await runner.ask(TrashDocument(id=document.id), ada)).trashed_at == NOW
    assert (await runner.ask(RestoreFromTrash(id=document.id), ada)).trashed_at is None


async def test_an_old_version_can_be_read_and_restored() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    document = await write(runner, ada)
    await runner.ask(changed(document, "three"), ada)
    first = await document_at_version(runner.store, ada, document.id, 1, NOW)
    assert first == ReadResult(document, None)
    assert (await document_at_version(runner.store, ada, document.id, 2, NOW)).view.content == "three"
    restored = await runner.ask(RestoreVersion(id=document.id, version=1), ada)
    assert (restored.content, restored.version) == ("one two", 3)


async def test_a_version_that_is_not_is_not_found() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    document = await write(runner, ada)
    for version in (0, 2):
        with pytest.raises(NotFound):
            await document_at_version(runner.store, ada, document.id, version, NOW)
        with pytest.raises(NotFound):
            await runner.ask(RestoreVersion(id=document.id, version=version), ada)


async def test_a_reader_duplicates_what_they_may_read_and_pays_for_the_copy() -> None:
    runner = CommandRunner()
    ada, bob = await two(runner)
    original = await write(runner, ada)
    await runner.ask(ShareDocument(id=original.id, email=BOBS, role="viewer"), ada)
    copy = await runner.ask(DuplicateDocument(id=original.id), bob)
    assert runner.happened()[-3:] == ["document.created", "subscription.quota_used", "document.share_bound"]
    assert (copy.owner_id, copy.title, copy.content) == (bob.user_id, "Copy of Title", "one two")
    assert (copy.id != original.id, copy.status, copy.version) == (True, "draft", 1)


async def test_a_copy_has_the_title_that_is_given_or_one_that_fits() -> None:
    runner = CommandRunner()
    ada, _ = await two(runner)
    original = await runner.ask(CreateDocument(title="\N{OTTER}" * TITLE_LENGTH), ada)
    named = await runner.ask(DuplicateDocument(id=original.id, title="Mine"), ada)
    unnamed = await runner.ask(DuplicateDocument(id=original.id), ada)
    assert (named.title, unnamed.title) == ("Mine", "Copy of " + "\N{OTTER}" * (TITLE_LENGTH - 8))


async def test_a_copy_of_what_one_may_not_read_is_not_found_and_costs_nothing() -> None:
    runner = CommandRunner()
    ada, bob = await two(runner)
    original = await write(runner, ada)
    before = len(runner.happened())
    with pytest.raises(NotFound):
        await runner.ask(DuplicateDocument(id=original.id), bob)
    assert len(runner.happened()) == before


async def test_a_repeated_key_gives_the_same_copy() -> None:
    runner = CommandRunner()
    ada, bob = await two(runner)
    original = await write(runner, ada)
    await runner.ask(ShareDocument(id=original.id, email=BOBS, role="viewer"), ada)
    command = DuplicateDocument(id=original.id)
    first = await runner.send(command, bob, key="key")
    again = await runner.send(command, bob, key="key")
    assert (again.answer, again.replayed) == (first.answer, True)
    assert runner.happened().count("subscription.quota_used") == 2
