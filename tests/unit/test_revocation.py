"""Revocation on the bus: a command that takes access away ends once the read models have followed."""

import pytest

from application.content.document import ChangeDocument, CreateDocument, RevokeShare, ShareDocument
from application.ports import Actor, NotSettled
from tests.support.http import Lagging
from tests.support.use_cases import CommandRunner

EMAIL = "bob@example.org"


@pytest.fixture
def positions() -> Lagging:
    return Lagging()


@pytest.fixture
def runner(positions: Lagging) -> CommandRunner:
    return CommandRunner(positions)


@pytest.fixture
async def owner(runner: CommandRunner) -> Actor:
    return await runner.actor("ada@example.org")


async def test_a_revocation_waits_for_the_position_of_its_event(
    runner: CommandRunner, owner: Actor, positions: Lagging
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    assert positions.asked == []
    result = await runner.send(RevokeShare(id=document.id, email=EMAIL), owner)
    assert [(name, position) for name, position, _ in positions.asked] == [("document_access", result.position)]


async def test_a_revocation_that_reads_may_still_miss_is_not_settled(
    runner: CommandRunner, owner: Actor, positions: Lagging
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    positions.behind = 1
    with pytest.raises(NotSettled):
        await runner.send(RevokeShare(id=document.id, email=EMAIL), owner)
    assert runner.happened()[-1] == "document.share_revoked"


@pytest.mark.parametrize("key", [None, "same"])
async def test_a_repeated_revocation_waits_for_the_event_of_the_first(
    runner: CommandRunner, owner: Actor, positions: Lagging, key: str | None
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    revoked = await runner.send(RevokeShare(id=document.id, email=EMAIL), owner, key)
    await runner.send(ChangeDocument(id=document.id, title="B", content="", status="draft"), owner)
    positions.asked.clear()
    await runner.send(RevokeShare(id=document.id, email=EMAIL), owner, key)
    assert [(name, position) for name, position, _ in positions.asked] == [("document_access", revoked.position)]


async def test_a_command_that_changes_nothing_waits_for_nothing_where_nothing_was_revoked(
    runner: CommandRunner, owner: Actor, positions: Lagging
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    positions.behind = 1
    await runner.send(ChangeDocument(id=document.id, title="Notes", content="", status="draft"), owner)
    assert positions.asked == []
