"""Revocation on the bus: a command that takes access away ends once the read models have followed."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from application.content.document import ChangeDocument, CreateDocument, RevokeShare, ShareDocument
from application.ports import Actor, NotSettled
from tests.support.use_cases import Desk

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
def desk(reads: Reads) -> Desk:
    return Desk(reads)


@pytest.fixture
async def owner(desk: Desk) -> Actor:
    return await desk.actor("ada@example.org")


async def test_a_revocation_waits_for_the_position_of_its_event(desk: Desk, owner: Actor, reads: Reads) -> None:
    document = await desk.ask(CreateDocument(title="Notes"), owner)
    await desk.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    assert reads.asked == []
    result = await desk.send(RevokeShare(id=document.id, email=EMAIL), owner)
    assert reads.asked == [("document_access", document.id, result.position)]


async def test_a_revocation_that_reads_may_still_miss_is_not_settled(desk: Desk, owner: Actor, reads: Reads) -> None:
    document = await desk.ask(CreateDocument(title="Notes"), owner)
    await desk.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    reads.settled = False
    with pytest.raises(NotSettled):
        await desk.send(RevokeShare(id=document.id, email=EMAIL), owner)
    assert desk.happened()[-1] == "document.share_revoked"


@pytest.mark.parametrize("key", [None, "same"])
async def test_a_repeated_revocation_waits_for_the_event_of_the_first(
    desk: Desk, owner: Actor, reads: Reads, key: str | None
) -> None:
    document = await desk.ask(CreateDocument(title="Notes"), owner)
    await desk.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    revoked = await desk.send(RevokeShare(id=document.id, email=EMAIL), owner, key)
    await desk.send(ChangeDocument(id=document.id, title="B", content="", status="draft"), owner)
    reads.asked.clear()
    await desk.send(RevokeShare(id=document.id, email=EMAIL), owner, key)
    assert reads.asked == [("document_access", document.id, revoked.position)]


async def test_a_command_that_changes_nothing_waits_for_nothing_where_nothing_was_revoked(
    desk: Desk, owner: Actor, reads: Reads
) -> None:
    document = await desk.ask(CreateDocument(title="Notes"), owner)
    reads.settled = False
    await desk.send(ChangeDocument(id=document.id, title="Notes", content="", status="draft"), owner)
    assert reads.asked == []
