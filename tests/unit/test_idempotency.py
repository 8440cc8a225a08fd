"""Idempotency: a repeated request is answered alike, from a reference wherever the answer is a view."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

import msgspec
import pytest

from application.billing.subscription import CancelSubscription, ChangePlan
from application.bus import Bus
from application.commands import HANDLERS, Command, handles
from application.content.document import (
    BindShare,
    ChangeDocument,
    ChangeShare,
    CreateDocument,
    LeaveDocument,
    RestoreFromTrash,
    RestoreVersion,
    RevokeShare,
    ShareDocument,
    TrashDocument,
)
from application.discovery import import_all
from application.idempotency import MAX_COPY_BYTES, SECRET_LIFETIME, AnswerTooLarge, VersionLost
from application.identity.user import ChangePassword, ChangeProfile, Deactivate, LogIn, Register, VerifyEmail
from application.ports import Actor, AnswerExpired, Clock, CommandContext, NewId, Reference, Store
from application.privacy.erasure import ErasureStep
from application.teams.team import (
    AcceptInvitation,
    ChangeMemberRole,
    DeclineInvitation,
    DissolveTeam,
    FoundTeam,
    InviteMember,
    LeaveTeam,
    RemoveMember,
    RenameTeam,
    RevokeInvitation,
    TransferOwnership,
)
from application.views import VIEWS, view_maker
from domain.content.document import Document
from domain.kernel import NotFound
from infra.sealing.blind_index import BlindIndex
from tests.support.given import NOW
from tests.support.memory_store import MemoryEventStore
from tests.support.note import Note
from tests.support.use_cases import PASSWORD, CommandRunner

LATER = timedelta(days=40)
"""After it, invitations have expired and another month's quota counts."""

Step = tuple[Command[Any], Actor | None]


async def life(runner: CommandRunner) -> AsyncIterator[Step]:
    """Every command with a key, in an order in which each succeeds. The runner carries out what is yielded."""
    ada, bob, carol = [await runner.actor(f"{name}@example.org") for name in ("ada", "bob", "carol")]
    yield Register(email="dan@example.org", name="Dan", password=PASSWORD), None
    yield VerifyEmail(user_id=ada.user_id), None
    yield ChangeProfile(name="Ada L.", avatar_url="https://example.org/ada.png"), ada
    yield ChangePassword(old=PASSWORD, new=f"{PASSWORD} again"), ada
    yield ChangePlan(plan="pro"), bob
    yield CancelSubscription(), bob
    async for step in life_of_a_document(runner, ada, bob):
        yield step
    async for step in life_of_a_team(runner, ada, bob, carol):
        yield step
    yield Deactivate(), ada


async def life_of_a_document(runner: CommandRunner, ada: Actor, bob: Actor) -> AsyncIterator[Step]:
    yield CreateDocument(title="Otters", content="They float."), ada
    id = next(event.originator_id for event in runner.store.log if isinstance(event, Document.Created))
    yield ChangeDocument(id=id, title="Otters", content="They float on their backs.", status="published"), ada
    yield ShareDocument(id=id, email="bob@example.org", role="viewer"), ada
    yield BindShare(id=id), bob
    yield ChangeShare(id=id, email="bob@example.org", role="editor"), ada
    yield RevokeShare(id=id, email="bob@example.org"), ada
    yield ShareDocument(id=id, email="bob@example.org", role="viewer"), ada
    yield LeaveDocument(id=id), bob
    yield RestoreVersion(id=id, version=1), ada
    yield TrashDocument(id=id), ada
    yield RestoreFromTrash(id=id), ada
    yield RestoreFromTrash(id=id), ada


async def life_of_a_team(runner: CommandRunner, ada: Actor, bob: Actor, carol: Actor) -> AsyncIterator[Step]:
    yield FoundTeam(name="River watch", slug="river-watch"), ada
    id = runner.store.log[-1].originator_id
    yield RenameTeam(id=id, name="River watchers"), ada
    for name in ("bob", "carol", "eve"):
        yield InviteMember(id=id, email=f"{name}@example.org"), ada
    yield AcceptInvitation(id=id), bob
    yield DeclineInvitation(id=id), carol
    yield RevokeInvitation(id=id, email="eve@example.org"), ada
    yield ChangeMemberRole(id=id, user_id=bob.user_id, role="admin"), ada
    yield InviteMember(id=id, email="carol@example.org"), ada
    yield AcceptInvitation(id=id), carol
    yield RemoveMember(id=id, user_id=carol.user_id), ada
    yield TransferOwnership(id=id, user_id=bob.user_id), ada
    yield LeaveTeam(id=id), ada
    yield DissolveTeam(id=id), bob


def sent(result: Any) -> bytes:
    """What a client receives, byte for byte."""
    return msgspec.json.encode([result.answer, result.position])


async def test_every_keyed_command_is_answered_alike_much_later() -> None:
    runner, seen = CommandRunner(), set[type[Command[Any]]]()
    number = 0
    async for command, actor in life(runner):
        number += 1
        seen.add(type(command))
        runner.now = NOW + timedelta(minutes=number)
        first = await runner.send(command, actor, f"key {number}")
        log = len(runner.store.log)
        runner.now += LATER
        again = await runner.send(command, actor, f"key {number}")
        assert (first.replayed, again.replayed, len(runner.store.log)) == (False, True, log), command
        assert sent(again) == sent(first), command
    # Nothing is kept of an answer about what is erased.
    kept = {command for command in own_commands() if HANDLERS[command].answer is not ErasureStep}
    assert seen == {command for command in kept if not command.answers_secret}


async def test_an_answer_stays_the_same_when_the_aggregate_has_changed() -> None:
    runner = CommandRunner()
    ada, bob = [await runner.actor(f"{name}@example.org") for name in ("ada", "bob")]
    steps: list[Step] = []
    answers = []
    async for command, actor in life_of_a_document(runner, ada, bob):
        steps.append((command, actor))
        answers.append(sent(await runner.send(command, actor, f"key {len(steps)}")))
    again = [sent(await runner.send(command, actor, f"key {n}")) for n, (command, actor) in enumerate(steps, 1)]
    assert again == answers


def own_commands() -> set[type[Command[Any]]]:
    import_all("application")
    return {command for command in HANDLERS if command.__module__.startswith("application.")}


def is_small(hint: Any) -> bool:
    """Whether values of a type have few bytes, whatever a request contains."""
    if get_origin(hint) is Literal or hint in {bool, int, float, UUID, datetime, type(None)}:
        return True
    return bool(get_args(hint)) and all(map(is_small, get_args(hint)))


@pytest.mark.parametrize("command", sorted(own_commands(), key=str))
def test_no_answer_is_kept_as_a_copy_unless_it_is_small(command: type[Command[Any]]) -> None:
    """H3: otherwise a request of 300 bytes stores an answer of megabytes."""
    answer = HANDLERS[command].answer
    if answer not in VIEWS and answer is not type(None):
        assert all(is_small(get_type_hints(answer)[field.name]) for field in fields(answer))


def test_logging_in_answers_a_secret() -> None:
    assert LogIn.answers_secret


async def test_a_repeat_without_effect_keeps_a_reference_and_no_text() -> None:
    """H3: a keyed command that changes nothing stored the whole document."""
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    document = await runner.ask(CreateDocument(title="Otters"), ada)
    await runner.send(RestoreFromTrash(id=document.id), ada, "key")
    [record] = runner.store.records.values()
    assert isinstance(record.answer, Reference)
    assert (record.answer.id, record.answer.version) == (document.id, 1)


async def test_who_may_no_longer_read_a_document_gets_no_answer_from_its_past() -> None:
    runner = CommandRunner()
    ada, bob = await runner.actor("ada@example.org"), await runner.actor("bob@example.org")
    document = await runner.ask(CreateDocument(title="Otters"), ada)
    await runner.ask(ShareDocument(id=document.id, email="bob@example.org", role="editor"), ada)
    edit = ChangeDocument(id=document.id, title="Otters", content="By Bob", status="draft")
    await runner.send(edit, bob, "key")
    await runner.ask(ChangeShare(id=document.id, email="bob@example.org", role="viewer"), ada)
    assert (await runner.send(edit, bob, "key")).replayed
    await runner.ask(RevokeShare(id=document.id, email="bob@example.org"), ada)
    with pytest.raises(NotFound):
        await runner.send(edit, bob, "key")


async def test_a_removed_member_gets_no_answer_about_the_team() -> None:
    runner = CommandRunner()
    ada, bob = await runner.actor("ada@example.org"), await runner.actor("bob@example.org")
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    await runner.ask(InviteMember(id=team.id, email="bob@example.org"), ada)
    await runner.send(AcceptInvitation(id=team.id), bob, "key")
    await runner.ask(RemoveMember(id=team.id, user_id=bob.user_id), ada)
    with pytest.raises(NotFound):
        await runner.send(AcceptInvitation(id=team.id), bob, "key")


async def test_a_closed_account_is_not_shown_again() -> None:
    runner = CommandRunner()
    register = Register(email="ada@example.org", name="Ada", password=PASSWORD)
    user = (await runner.send(register, key="key")).answer
    await runner.ask(Deactivate(), Actor(user.id))
    with pytest.raises(NotFound):
        await runner.send(register, key="key")


@dataclass(frozen=True, slots=True)
class Token:
    text: str


class IssueToken(Command[Token]):
    answers_secret: ClassVar[bool] = True
    text: str


class CountWords(Command[Token]):
    text: str


@handles
async def issue_token(cmd: IssueToken, store: Store, new_id: NewId) -> Token:
    store.save(Note.write(new_id(), "token issued"))
    return Token(cmd.text)


@handles
async def count_words(cmd: CountWords, store: Store, new_id: NewId) -> Token:
    store.save(Note.write(new_id(), "words counted"))
    return Token(cmd.text)


@dataclass(frozen=True, slots=True)
class DatedNote:
    id: UUID
    label: str
    read_at: datetime


dated_note = view_maker(
    DatedNote, Note, require_reader=lambda note, actor, now: None, computed={"read_at": lambda note, now: now}
)


class WriteDatedNote(Command[DatedNote]):
    text: str


@handles
async def write_dated_note(cmd: WriteDatedNote, store: Store, clock: Clock, new_id: NewId) -> DatedNote:
    note = Note.write(new_id(), cmd.text)
    store.save(note)
    return dated_note(note, clock())


class Desk:
    """A bus with a clock that tests move, and that goes on by itself whenever it is read."""

    def __init__(self) -> None:
        self.store, self.now = MemoryEventStore(), NOW
        self.bus = Bus(self.store, {"new_id": uuid4, "clock": self.clock}, BlindIndex(bytes(32)))

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    async def send(self, command: Command[Any]) -> Any:
        return await self.bus.send(command, CommandContext(Actor(UUID(int=1)), uuid4(), idempotency_key="key"))


async def test_a_command_has_one_time_which_its_repeated_answer_shows() -> None:
    desk = Desk()
    first = await desk.send(WriteDatedNote(text="now"))
    again = await desk.send(WriteDatedNote(text="now"))
    assert (again.answer, again.replayed) == (first.answer, True)


async def test_an_answer_with_a_secret_is_repeated_for_ten_minutes_only() -> None:
    desk = Desk()
    await desk.send(IssueToken(text="secret"))
    desk.now += SECRET_LIFETIME - timedelta(seconds=1)
    assert (await desk.send(IssueToken(text="secret"))).answer == Token("secret")
    desk.now += timedelta(seconds=1)
    with pytest.raises(AnswerExpired) as refused:
        await desk.send(IssueToken(text="secret"))
    assert refused.value.code == "answer_expired"
    assert len(desk.store.log) == 1


async def test_a_small_answer_is_kept_itself() -> None:
    desk = Desk()
    first = await desk.send(CountWords(text="7"))
    desk.now += LATER
    again = await desk.send(CountWords(text="7"))
    assert (again.answer, again.replayed) == (first.answer, True)


async def test_an_answer_too_large_to_keep_is_an_error_and_nothing_is_written() -> None:
    """H3."""
    desk = Desk()
    with pytest.raises(AnswerTooLarge):
        await desk.send(CountWords(text="x" * MAX_COPY_BYTES))
    assert desk.store.log == []


async def test_an_answer_whose_version_the_log_lacks_is_an_error() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    create = CreateDocument(title="Otters")
    document = (await runner.send(create, ada, "key")).answer
    runner.store.log = [event for event in runner.store.log if event.originator_id != document.id]
    with pytest.raises(VersionLost):
        await runner.send(create, ada, "key")


def test_a_view_has_the_id_of_its_aggregate() -> None:
    with pytest.raises(TypeError, match="Token lacks the id of its Note"):
        view_maker(Token, Note, require_reader=lambda note, actor, now: None)


def test_a_view_has_one_maker() -> None:
    """A second one would replace who may read the view again."""
    with pytest.raises(TypeError, match="DatedNote has two makers"):
        view_maker(DatedNote, Note, require_reader=lambda note, actor, now: None)
