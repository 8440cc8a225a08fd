"""Use cases of documents."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from application.billing.subscription import ChangePlan
from application.content.document import (
    ChangeDocument,
    ChangeShare,
    CreateDocument,
    DocumentView,
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
from domain.kernel import NotFound
from domain.text import UnusableEmail
from tests.support.given import NOW
from tests.support.use_cases import Desk

BOBS = "bob@example.org"


async def two(desk: Desk) -> tuple[Actor, Actor]:
    return await desk.actor("ada@example.org"), await desk.actor(BOBS)


async def write(desk: Desk, by: Actor) -> DocumentView:
    return await desk.ask(CreateDocument(title="Title", content="one two"), by)


def changed(document: DocumentView, content: str, expected: int | None = None) -> ChangeDocument:
    return ChangeDocument(id=document.id, title="Title", content=content, status="draft", expected=expected)


async def test_a_document_and_its_quota_come_in_one_append() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    view = await write(desk, ada)
    assert desk.happened()[-2:] == ["document.created", "subscription.quota_used"]
    assert view == DocumentView(
        id=view.id,
        owner_id=ada.user_id,
        title="Title",
        content="one two",
        status="draft",
        version=1,
        created_at=NOW,
        updated_at=NOW,
        trashed_at=None,
    )


async def test_a_repeated_key_gives_the_same_document_and_uses_no_more_quota() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    command = CreateDocument(title="Title", content="one two")
    first = await desk.send(command, ada, key="key")
    again = await desk.send(command, ada, key="key")
    assert (again.answer, again.replayed) == (first.answer, True)
    assert desk.happened().count("subscription.quota_used") == 1


async def test_the_free_plan_ends_with_the_fifth_document() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    for _ in range(5):
        await write(desk, ada)
    before = desk.happened()
    with pytest.raises(QuotaExceeded):
        await write(desk, ada)
    assert desk.happened() == before
    await desk.ask(ChangePlan(plan="pro"), ada)
    await write(desk, ada)
    assert desk.happened()[-2:] == ["subscription.plan_changed", "document.created"]


async def test_parallel_creates_do_not_exceed_the_quota() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    for _ in range(4):
        await write(desk, ada)
    outcomes = await asyncio.gather(*(write(desk, ada) for _ in range(50)), return_exceptions=True)
    assert sum(isinstance(outcome, DocumentView) for outcome in outcomes) == 1
    assert desk.happened().count("document.created") == 5


async def test_trash_gives_no_quota_back() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    for _ in range(5):
        document = await write(desk, ada)
    await desk.ask(TrashDocument(id=document.id), ada)
    with pytest.raises(QuotaExceeded):
        await write(desk, ada)


async def test_a_change_of_an_old_version_is_refused() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    document = await write(desk, ada)
    assert (await desk.ask(changed(document, "three", expected=1), ada)).version == 2
    for command in (
        changed(document, "four", expected=1),
        TrashDocument(id=document.id, expected=1),
        RestoreFromTrash(id=document.id, expected=1),
        RestoreVersion(id=document.id, version=1, expected=1),
    ):
        with pytest.raises(StaleVersion, match="The current version is 2"):
            await desk.ask(command, ada)


async def test_a_stranger_learns_nothing_not_even_the_version() -> None:
    desk = Desk()
    ada, bob = await two(desk)
    document = await write(desk, ada)
    nowhere = replace(document, id=UUID(int=9))
    details = set()
    for target in (document, nowhere):
        for command in (
            changed(target, "three", expected=7),
            TrashDocument(id=target.id, expected=7),
            RestoreVersion(id=target.id, version=1),
            ShareDocument(id=target.id, email=BOBS, role="viewer"),
            RevokeShare(id=target.id, email=BOBS),
        ):
            with pytest.raises(NotFound) as refused:
                await desk.ask(command, bob)
            details.add((refused.value.code, refused.value.detail))
        with pytest.raises(NotFound) as refused:
            await document_at_version(desk.store, bob, target.id, 1)
        details.add((refused.value.code, refused.value.detail))
    assert details == {("not_found", "There is no such document.")}


async def test_a_share_opens_the_document_to_whoever_verified_that_address() -> None:
    desk = Desk()
    ada, bob = await two(desk)
    document = await write(desk, ada)
    await desk.ask(ShareDocument(id=document.id, email="BOB@example.org", role="viewer"), ada)
    with pytest.raises(RoleTooLow):
        await desk.ask(changed(document, "three"), bob)
    with pytest.raises(NotFound):
        await desk.ask(changed(document, "three"), Actor(bob.user_id))
    await desk.ask(ChangeShare(id=document.id, email=BOBS, role="editor"), ada)
    assert (await desk.ask(changed(document, "three"), bob)).content == "three"
    await desk.ask(RevokeShare(id=document.id, email=BOBS), ada)
    with pytest.raises(NotFound):
        await desk.ask(changed(document, "four"), bob)


@pytest.mark.parametrize("command", [ShareDocument, ChangeShare])
async def test_what_is_no_address_is_refused(command: type[ShareDocument] | type[ChangeShare]) -> None:
    desk = Desk()
    ada, _ = await two(desk)
    document = await write(desk, ada)
    with pytest.raises(UnusableEmail):
        await desk.ask(command(id=document.id, email="bob\ud800", role="viewer"), ada)


async def test_a_document_goes_to_the_trash_and_comes_back() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    document = await write(desk, ada)
    assert (await desk.ask(TrashDocument(id=document.id), ada)).trashed_at == NOW
    assert (await desk.ask(RestoreFromTrash(id=document.id), ada)).trashed_at is None


async def test_an_old_version_can_be_read_and_restored() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    document = await write(desk, ada)
    await desk.ask(changed(document, "three"), ada)
    first = await document_at_version(desk.store, ada, document.id, 1)
    assert first == document
    assert (await document_at_version(desk.store, ada, document.id, 2)).content == "three"
    restored = await desk.ask(RestoreVersion(id=document.id, version=1), ada)
    assert (restored.content, restored.version) == ("one two", 3)


async def test_a_version_that_is_not_is_not_found() -> None:
    desk = Desk()
    ada, _ = await two(desk)
    document = await write(desk, ada)
    for version in (0, 2):
        with pytest.raises(NotFound):
            await document_at_version(desk.store, ada, document.id, version)
        with pytest.raises(NotFound):
            await desk.ask(RestoreVersion(id=document.id, version=version), ada)
