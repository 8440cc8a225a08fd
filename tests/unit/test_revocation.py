"""Revocation on the bus: a command that takes access away ends once the read models have followed."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from application.content.document import ChangeDocument, CreateDocument, RevokeShare, ShareDocument
from application.ports import Actor, NotSettled
from tests.support.use_cases import CommandRunner

EMAIL = "bob@example.org"


@dataclass
class Reads:
    """Reads that follow the log, or do not."""

    settled: bool = True
    asked: list[tuple[str, UUID, int]] = field(default_factory=list)

    async def wait(self, read_model: str, stream_id: UUID, position: int, timeout: float) -> bool:
        self.asked.append((read_model, stream_id, position))
        return self.settled


@pytest.fixture
def reads() -> Reads:
    return Reads()


@pytest.fixture
def runner(reads: Reads) -> CommandRunner:
    return CommandRunner(reads)


@pytest.fixture
async def owner(runner: CommandRunner) -> Actor:
    return await runner.actor("ada@example.org")


async def test_a_revocation_waits_for_the_position_of_its_event(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    assert reads.asked == []
    result = await runner.send(RevokeShare(id=document.id, email=EMAIL), owner)
    assert reads.asked == [("document_access", document.id, result.position)]


async def test_a_revocation_that_reads_may_still_miss_is_not_settled(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    reads.settled = False
    with pytest.raises(NotSettled):
        await runner.send(RevokeShare(id=document.id, email=EMAIL), owner)
    assert runner.happened()[-1] == "document.share_revoked"


@pytest.mark.parametrize("key", [None, "same"])
async def test_a_repeated_revocation_waits_for_the_event_of_the_first(
    runner: CommandRunner, owner: Actor, reads: Reads, key: str | None
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    revoked = await runner.send(RevokeShare(id=document.id, email=EMAIL), owner, key)
    await runner.send(ChangeDocument(id=document.id, title="B", content="", status="draft"), owner)
    reads.asked.clear()
    await runner.send(RevokeShare(id=document.id, email=EMAIL), owner, key)
    assert reads.asked == [("document_access", document.id, revoked.position)]


async def test_a_command_that_changes_nothing_waits_for_nothing_where_nothing_was_revoked(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    reads.settled = False
    await runner.send(ChangeDocument(id=document.id, title="Notes", content="", status="draft"), owner)
    assert reads.asked == []
