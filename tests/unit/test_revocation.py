"""Revocation on the bus: a command that takes access away ends once the read models have followed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from application.content.document import ChangeDocument, CreateDocument, RevokeShare, ShareDocument, TrashDocument
from application.identity.sessions import LogOutEverywhere
from application.identity.user import ChangePassword, Deactivate
from application.ports import Actor, NotSettled, SessionEnding, Unavailable
from application.privacy.erasure import EraseDocument, EraseUser
from application.teams.invitation import AcceptInvitation, InviteMember
from application.teams.team import FoundTeam
from domain.identity.user import User
from tests.support.use_cases import PASSWORD, CommandRunner

EMAIL = "bob@example.org"


@dataclass
class Reads:
    """Reads that follow the log, or do not."""

    settled: bool = True
    up_to_date: bool = False
    """Whether they show a stream without any wait."""
    fails: bool = False
    asked: list[tuple[str, UUID, int]] = field(default_factory=list)
    ended: list[SessionEnding] = field(default_factory=list)
    forgets: bool = True
    """Whether all processes forget erased keys in time."""

    async def wait(self, read_model: str, stream_id: UUID, position: int, timeout: float) -> bool:
        if self.fails:
            raise Unavailable("The database")
        if timeout == 0:
            return self.up_to_date
        self.asked.append((read_model, stream_id, position))
        return self.settled

    async def forgotten(self, timeout: float) -> bool:
        return self.forgets

    async def end_sessions(self, endings: Sequence[SessionEnding]) -> bool:
        if self.fails:
            raise Unavailable("The database")
        self.ended += endings
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


async def test_a_repeated_revocation_does_not_wait_for_reads_that_show_it(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    await runner.send(RevokeShare(id=document.id, email=EMAIL), owner)
    reads.asked.clear()
    reads.up_to_date = True
    await runner.send(RevokeShare(id=document.id, email=EMAIL), owner)
    assert reads.asked == []


async def test_a_command_that_changes_nothing_waits_for_nothing_where_nothing_was_revoked(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    reads.settled = False
    await runner.send(ChangeDocument(id=document.id, title="Notes", content="", status="draft"), owner)
    assert reads.asked == []


async def test_a_server_that_fails_after_the_commit_does_not_say_that_nothing_was_changed(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), owner)
    reads.fails = True
    with pytest.raises(NotSettled):
        await runner.send(RevokeShare(id=document.id, email=EMAIL), owner)
    assert runner.happened()[-1] == "document.share_revoked"


async def test_a_repeat_refused_for_its_version_waits_for_what_the_first_revoked(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    trash = TrashDocument(id=document.id)
    trashed = await runner.send(trash, owner, "same", match="1")
    reads.asked.clear()
    reads.settled = False
    with pytest.raises(NotSettled):
        await runner.send(trash, owner, "same", match="1")
    assert ("document", document.id, trashed.position) in reads.asked


async def test_h7_an_erasure_waits_until_no_process_holds_the_key(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    reads.forgets = False
    with pytest.raises(NotSettled):
        await runner.send(EraseDocument(id=document.id))
    with pytest.raises(NotSettled):
        await runner.send(EraseDocument(id=document.id))
    reads.forgets = True
    step = await runner.ask(EraseDocument(id=document.id))
    assert (step.changed, step.complete) == (0, True)


async def test_a_repeated_erasure_waits_for_no_stream_of_others(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    """A stream of any owner that a read model has left out is looked at; it never settles while it is in quarantine."""
    bob = await runner.actor(EMAIL)
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(TrashDocument(id=document.id), owner)
    runner.holdings.quarantine(document.id)
    await runner.send(EraseUser(id=bob.user_id))
    reads.asked.clear()
    assert (await runner.ask(EraseUser(id=bob.user_id))).complete
    assert {stream_id for _, stream_id, _ in reads.asked} == {bob.user_id}


@pytest.mark.parametrize("whole", [False, True])
async def test_a_repeated_erasure_waits_for_own_documents_that_read_models_have_left_out(
    runner: CommandRunner, owner: Actor, reads: Reads, whole: bool
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    runner.holdings.quarantine(document.id, whole=whole)
    for _ in range(2):
        reads.asked.clear()
        await runner.send(EraseUser(id=owner.user_id))
        assert {(name, id) for name, id, _ in reads.asked} >= {
            ("document", document.id),
            ("document_version", document.id),
        }


async def test_a_repeated_erasure_waits_for_a_damaged_document_that_reads_still_show(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    runner.holdings.quarantine(document.id)
    runner.store.unreadable = {document.id}
    await runner.send(EraseDocument(id=document.id))
    await runner.send(EraseUser(id=owner.user_id))
    reads.asked.clear()
    assert (await runner.ask(EraseUser(id=owner.user_id))).unread == []
    assert ("document", document.id) in {(name, id) for name, id, _ in reads.asked}


async def test_a_repeated_erasure_waits_for_memberships_that_reads_still_show(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    bob = await runner.actor(EMAIL)
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), owner)
    await runner.send(InviteMember(id=team.id, email=EMAIL), owner)
    await runner.send(AcceptInvitation(id=team.id), bob)
    runner.holdings.quarantine(team.id)
    for _ in range(2):
        reads.asked.clear()
        await runner.send(EraseUser(id=bob.user_id))
        assert ("team_roster", team.id) in {(name, id) for name, id, _ in reads.asked}


async def test_nothing_is_kept_of_the_answer_to_an_erasure(runner: CommandRunner, owner: Actor) -> None:
    document = await runner.ask(CreateDocument(title="Notes"), owner)
    await runner.send(EraseDocument(id=document.id), key="once")
    assert not (await runner.send(EraseDocument(id=document.id), key="once")).replayed


async def test_the_event_that_ends_sessions_ends_them_before_the_answer(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    session_id = runner.sessions.log_in(owner.user_id, uuid7)
    await runner.send(ChangePassword(old=PASSWORD, new=f"{PASSWORD} again"), owner, session_id=session_id)
    user = await runner.store.load(User, owner.user_id)
    assert user is not None
    assert reads.ended == [SessionEnding(owner.user_id, user.version, session_id)]


async def test_a_repeat_that_changes_nothing_ends_the_sessions_that_the_first_one_ended(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    reads.settled = reads.up_to_date = False
    with pytest.raises(NotSettled):
        await runner.send(Deactivate(), owner)
    reads.settled = reads.up_to_date = True
    await runner.send(Deactivate(), owner)
    first, again = reads.ended
    assert first == again


async def test_a_repeat_with_a_key_ends_no_session_that_began_after_the_first_one(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    await runner.send(LogOutEverywhere(), owner, "key")
    assert (await runner.send(LogOutEverywhere(), owner, "key")).replayed
    first, again = reads.ended
    assert first == again


async def test_a_command_whose_sessions_cannot_be_ended_now_is_not_settled(
    runner: CommandRunner, owner: Actor, reads: Reads
) -> None:
    reads.fails = True
    with pytest.raises(NotSettled):
        await runner.send(LogOutEverywhere(), owner)
    assert runner.happened()[-1] == "user.sessions_ended"
