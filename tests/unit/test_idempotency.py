"""Idempotency: a repeated request is answered alike, from a reference wherever the answer is a view."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints
from uuid import RFC_4122, UUID, uuid4

import msgspec
import pytest

from application.audit_reads import RecordAuditRead
from application.billing.subscription import CancelSubscription, ChangePlan
from application.billing.team_budget import LimitTeamBudget
from application.bus import Bus
from application.commands import HANDLERS, Command, handles
from application.content.access_request import (
    AcceptAccessRequest,
    AskForAccess,
    DeclineAccessRequest,
    WithdrawAccessRequest,
)
from application.content.bulk import ChangeDocuments
from application.content.document import (
    BindShare,
    ChangeDocument,
    ChangeShare,
    CreateDocument,
    DuplicateDocument,
    EditDocument,
    LeaveDocument,
    NameVersion,
    RestoreFromTrash,
    RestoreVersion,
    RevokeShare,
    ShareDocument,
    TrashDocument,
    UnnameVersion,
)
from application.content.filing import (
    ArchiveDocument,
    FileDocument,
    TagDocument,
    UnarchiveDocument,
)
from application.content.folder import CreateFolder, DeleteFolder, MoveFolder, RenameFolder
from application.content.kept_document import ArchiveUnchangedDocument, EraseTrashedDocument
from application.content.leaving import OfferLentDocuments
from application.content.lending import LendDocument, TakeDocumentBack
from application.content.ownership import (
    AcceptDocument,
    DeclineDocument,
    OfferDocument,
    OfferDocumentToTeam,
    WithdrawDocumentOffer,
)
from application.content.publication import PublishDocument, WithdrawDocument
from application.content.recent_document import ClearRecentDocuments
from application.content.share_link import CreateShareLink, OpenShareLink, RevokeShareLink
from application.content.star import StarDocument, UnstarDocument
from application.discovery import import_all
from application.generation.attempts import (
    EndAttempt,
    ExpireGeneration,
    RecordAnswer,
    StartAttempt,
    TextUse,
    VariantAnswer,
)
from application.generation.comparison import CompareTexts, Side
from application.generation.generation import (
    AcceptDraft,
    CancelGeneration,
    DeleteGeneration,
    DiscardDraft,
    RequestGeneration,
    RetryGeneration,
)
from application.generation.moderating import WithholdText
from application.generation.provider_key import DeleteProviderKey, SaveProviderKey
from application.generation.used_up import NoteRefusal
from application.idempotency import MAX_COPY_BYTES, AnswerTooLarge, VersionLost
from application.identity.account import IssueLink, IssueLockdownLink, OpenAccount, ResetPassword, VerifyEmail
from application.identity.account_requests import Register, RequestPasswordReset, RequestVerification
from application.identity.auditing import AppointAuditor, DismissAuditor
from application.identity.email_change import (
    ConfirmEmailChange,
    ReleaseFormerEmail,
    RequestEmailChange,
    UndoEmailChange,
)
from application.identity.session_jobs import RecordReuse
from application.identity.sessions import LogIn, LogOut, LogOutEverywhere, RefreshSession, RevokeSession
from application.identity.suspension import LockDown, RemindOfDeletion, RequestDeletion, WithdrawDeletion
from application.identity.user import AcceptTerms, ChangePassword, ChangeProfile, Deactivate
from application.ports import Actor, AnswerExpired, Clock, CommandContext, NewId, Reference, Store, TokenText
from application.privacy.erasing import ErasureStep
from application.teams.dissolution import DissolveTeam, WithdrawDissolution
from application.teams.domain import AddDomain, NoteDomain, ProveDomain, RemoveDomain
from application.teams.domain_mail import ProveDomainByMail, RequestDomainMail
from application.teams.invitation import (
    AcceptInvitation,
    DeclineInvitation,
    ExpireInvitations,
    Invitee,
    InviteMember,
    InviteMembers,
    ResendInvitation,
    RevokeInvitation,
)
from application.teams.join_request import (
    AcceptJoinRequest,
    AskToJoin,
    DeclineJoinRequest,
    ShowJoinRequest,
    WithdrawJoinRequest,
)
from application.teams.ownership import AcceptOwnership, DeclineOwnership, OfferOwnership, WithdrawOwnershipOffer
from application.teams.seats import FollowPlan
from application.teams.settings import ChangeTeamSettings
from application.teams.team import (
    ChangeMemberRole,
    ChangeSlug,
    FoundTeam,
    LeaveTeam,
    RemoveMember,
    RenameTeam,
)
from application.views import VIEWS, view_maker
from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.content.edits import Edit
from domain.content.folder import FolderTree
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.identity.links import LinkKind
from domain.kernel import NotFound, Party
from domain.teams.domains import record_name, record_value
from domain.teams.join_request import JoinRequest
from domain.teams.team import Team
from infra.sealing.blind_index import BlindIndex
from tests.support.accounts import token_of
from tests.support.given import NOW
from tests.support.memory_store import MemoryEventStore
from tests.support.note import Note
from tests.support.use_cases import PASSWORD, CommandRunner

LATER = timedelta(days=40)
"""After it, invitations have expired and another month's quota counts."""

LONG_AGO = NOW - timedelta(days=400)

ENQUEUED = {Register, RequestPasswordReset, RequestVerification}
"""Commands that only enqueue a job: nothing is kept of their answer, which is empty; the job's effect is once."""
ENDING = {LogOut, RevokeSession, ClearRecentDocuments}
"""Commands that end a session or a list of views, which are no aggregates: nothing is kept, a repeat does it again."""
ERASING = {DeleteGeneration, DeleteProviderKey}
"""Commands that erase what they are about: nothing is kept of their answer, and a repeat finds nothing."""

Step = tuple[Command[Any], Actor | None]


async def life(runner: CommandRunner) -> AsyncIterator[Step]:
    """Every command with a key, in an order in which each succeeds. The runner carries out what is yielded."""
    ada, bob, carol = [await runner.actor(f"{name}@example.org") for name in ("ada", "bob", "carol")]
    dan = UUID(int=0xDA4)
    yield OpenAccount(id=dan, email="dan@example.org", name="Dan", password_hash="hash"), None
    yield VerifyEmail(token=await token_of(runner.store, runner.links, dan)), None
    yield AppointAuditor(email="dan@example.org", reason="Reviews the year."), None
    yield RecordAuditRead(operation="audit_user_history", user_ids=[ada.user_id]), Actor(dan)
    yield DismissAuditor(email="dan@example.org", reason="The review is done."), None
    yield IssueLink(user_id=dan, kind="reset"), None
    token = await token_of(runner.store, runner.links, dan, "reset")
    yield ResetPassword(token=token, password=f"{PASSWORD} again"), None
    yield ChangeProfile(name="Ada L.", avatar_url="https://example.org/ada.png"), ada
    yield ChangePassword(old=PASSWORD, new=f"{PASSWORD} again"), ada
    yield AcceptTerms(version="2026-11"), ada
    async for step in life_of_an_address(runner, carol):
        yield step
    async for step in deletion(runner, bob):
        yield step
    yield ChangePlan(plan="pro"), bob
    yield CancelSubscription(), bob
    async for step in life_of_a_document(runner, ada, bob):
        yield step
    async for step in life_of_generations(runner, ada):
        yield step
    async for step in life_of_a_team(runner, ada, bob, carol):
        yield step
    async for step in giving(runner, ada, bob):
        yield step
    yield LogOutEverywhere(), ada
    yield RecordReuse(user_id=dan, session_id=UUID(int=5)), None
    yield Deactivate(), ada


async def life_of_an_address(runner: CommandRunner, carol: Actor) -> AsyncIterator[Step]:
    async def token(kind: LinkKind) -> str:
        return await token_of(runner.store, runner.links, carol.user_id, kind)

    yield RequestEmailChange(email="carol@example.com", password=PASSWORD), carol
    yield ConfirmEmailChange(token=await token("old_email")), None
    yield ConfirmEmailChange(token=await token("new_email")), None
    yield ReleaseFormerEmail(id=carol.user_id), None
    yield UndoEmailChange(token=await token("undo_email")), None
    yield ResetPassword(token=await token("reset"), password=PASSWORD), None


async def deletion(runner: CommandRunner, bob: Actor) -> AsyncIterator[Step]:
    yield RequestDeletion(password=PASSWORD), bob
    yield RemindOfDeletion(id=bob.user_id), None
    yield WithdrawDeletion(email="bob@example.org", password=PASSWORD), None
    yield IssueLockdownLink(user_id=bob.user_id), None
    yield LockDown(token=await token_of(runner.store, runner.links, bob.user_id, "lockdown")), None
    reset = await token_of(runner.store, runner.links, bob.user_id, "reset")
    yield ResetPassword(token=reset, password=PASSWORD), None


async def life_of_a_document(runner: CommandRunner, ada: Actor, bob: Actor) -> AsyncIterator[Step]:
    yield CreateDocument(title="Otters", content="They float."), ada
    id = next(event.originator_id for event in runner.store.log if isinstance(event, Document.Created))
    yield ChangeDocument(id=id, title="Otters", content="They float on their backs.", status="published"), ada
    yield EditDocument(id=id, edits=[Edit(0, 4, "Otters")]), ada
    yield DuplicateDocument(id=id), ada
    yield NameVersion(id=id, version=1, name="First"), ada
    yield UnnameVersion(id=id, version=1), ada
    yield ShareDocument(id=id, email="bob@example.org", role="viewer"), ada
    yield BindShare(id=id), bob
    yield ChangeShare(id=id, email="bob@example.org", role="editor"), ada
    yield RevokeShare(id=id, email="bob@example.org"), ada
    yield ShareDocument(id=id, email="bob@example.org", role="viewer"), ada
    yield LeaveDocument(id=id), bob
    for role in ("viewer", "editor"):
        yield AskForAccess(id=id, role=role), bob
        yield WithdrawAccessRequest(id=id), bob
        yield AskForAccess(id=id, role=role), bob
        yield AcceptAccessRequest(id=id, user_id=bob.user_id), ada
    yield LeaveDocument(id=id), bob
    yield AskForAccess(id=id, role="viewer"), bob
    yield DeclineAccessRequest(id=id, user_id=bob.user_id), ada
    yield PublishDocument(id=id), ada
    yield WithdrawDocument(id=id), ada
    opened = await runner.ask(CreateShareLink(id=id, role="viewer"), ada)
    yield OpenShareLink(token=opened.token), bob
    yield RevokeShareLink(id=id, link_id=opened.id), ada
    yield RestoreVersion(id=id, version=1), ada
    async for step in filing(runner, ada, id):
        yield step
    yield TrashDocument(id=id), ada
    yield RestoreFromTrash(id=id), ada
    yield RestoreFromTrash(id=id), ada


async def life_of_generations(runner: CommandRunner, ada: Actor) -> AsyncIterator[Step]:
    document = await runner.ask(CreateDocument(title="River", content="Otters."), ada)
    wish = {"prompt": "Describe it.", "variables": {"tone": "calm"}, "placement": Placement("draft")}
    yield RequestGeneration(document_id=document.id, **wish), ada  # type: ignore[arg-type]
    id = next(event.originator_id for event in runner.store.log if isinstance(event, Generation.Requested))
    yield StartAttempt(generation_id=id, round=1, lost_tokens=0, prompt_tokens=200), ada
    yield EndAttempt(generation_id=id, attempt=1, failure="cut", input_tokens=1, output_tokens=1), ada
    yield CancelGeneration(id=id), ada
    yield RetryGeneration(id=id), ada
    yield StartAttempt(generation_id=id, round=2, lost_tokens=0, prompt_tokens=200), ada
    used = [TextUse(10, 2)]
    yield WithholdText(generation_id=id, attempt=2, refused="unsafe_text", categories=("hate",), used=used), ada
    for number, last in ((3, DiscardDraft(id=id)), (4, AcceptDraft(id=id, placement=Placement()))):
        yield RetryGeneration(id=id), ada
        yield StartAttempt(generation_id=id, round=number, lost_tokens=0, prompt_tokens=200), ada
        yield (
            RecordAnswer(
                generation_id=id,
                attempt=number,
                answers=[VariantAnswer("They float.", "complete", 10, 2, is_sandbox=False)],
            ),
            ada,
        )
        yield last, ada
    yield ExpireGeneration(generation_id=id), None
    yield NoteRefusal(payer_kind="user", payer_id=ada.user_id, month="2026-11", tokens=1_000_000, micros=1), None
    sides = Side("Describe it.", max_output_tokens=100), Side("Name it.", max_output_tokens=100)
    yield CompareTexts(document_id=document.id, variables={}, left=sides[0], right=sides[1]), ada
    yield SaveProviderKey(team_id=None, key="sk-otters-hold-hands"), ada


async def filing(runner: CommandRunner, ada: Actor, id: UUID) -> AsyncIterator[Step]:
    yield CreateFolder(name="Rivers"), ada
    folder_id = next(event.folder_id for event in runner.store.log if isinstance(event, FolderTree.FolderCreated))
    yield RenameFolder(id=folder_id, name="Waters"), ada
    yield CreateFolder(name="Lakes"), ada
    yield MoveFolder(id=folder_id, parent_id=None), ada
    yield FileDocument(id=id, folder_id=folder_id), ada
    yield DeleteFolder(id=folder_id), ada
    yield TagDocument(id=id, tags=["animals"]), ada
    yield StarDocument(id=id), ada
    yield UnstarDocument(id=id), ada
    yield ArchiveUnchangedDocument(id=id, since=LONG_AGO), None
    yield EraseTrashedDocument(id=id), None
    yield ArchiveDocument(id=id), ada
    yield UnarchiveDocument(id=id), ada
    yield ChangeDocuments(ids=[id, UUID(int=9)], action="tag", tags=("rivers",)), ada


async def life_of_a_team(runner: CommandRunner, ada: Actor, bob: Actor, carol: Actor) -> AsyncIterator[Step]:
    yield FoundTeam(name="River watch", slug="river-watch"), ada
    id = next(event.originator_id for event in runner.store.log if isinstance(event, Team.Founded))
    yield RenameTeam(id=id, name="River watchers"), ada
    yield ChangeSlug(id=id, slug="river-watchers"), ada
    yield LimitTeamBudget(team_id=id, tokens=1_000), ada
    async for step in joining(runner, id, ada, carol):
        yield step
    async for step in domains(runner, id, ada):
        yield step
    yield FollowPlan(subscription_id=Subscription.id_of(Party("team", id))), None
    for name in ("bob", "carol", "eve"):
        yield InviteMember(id=id, email=f"{name}@example.org"), ada
    invitees = [Invitee(email="dan@example.org", role="guest"), Invitee(email="dan", role="guest")]
    yield InviteMembers(id=id, invitees=invitees), ada
    yield RevokeInvitation(id=id, email="dan@example.org"), ada
    yield AcceptInvitation(id=id), bob
    yield DeclineInvitation(id=id), carol
    yield ChangeMemberRole(id=id, user_id=bob.user_id, role="admin"), ada
    yield InviteMember(id=id, email="carol@example.org"), ada
    yield AcceptInvitation(id=id), carol
    yield RemoveMember(id=id, user_id=carol.user_id), ada
    for answer in (DeclineOwnership(id=id), AcceptOwnership(id=id)):
        yield OfferOwnership(id=id, user_id=bob.user_id), ada
        yield WithdrawOwnershipOffer(id=id), ada
        yield OfferOwnership(id=id, user_id=bob.user_id), ada
        yield answer, bob
    yield ResendInvitation(id=id, email="eve@example.org"), bob
    yield ExpireInvitations(id=id), None
    yield RevokeInvitation(id=id, email="eve@example.org"), bob
    yield LeaveTeam(id=id), ada
    yield DissolveTeam(id=id), bob
    yield WithdrawDissolution(id=id), bob


async def joining(runner: CommandRunner, id: UUID, ada: Actor, carol: Actor) -> AsyncIterator[Step]:
    request_id = JoinRequest.id_of(id, carol.user_id)
    yield ChangeTeamSettings(id=id, join="by_request"), ada
    yield AskToJoin(team="river-watchers"), carol
    yield WithdrawJoinRequest(id=request_id), carol
    yield AskToJoin(team=str(id)), carol
    yield ShowJoinRequest(id=request_id), None
    yield AcceptJoinRequest(id=id, user_id=carol.user_id, role="viewer"), ada
    yield RemoveMember(id=id, user_id=carol.user_id), ada
    yield AskToJoin(team="river-watchers"), carol
    yield ShowJoinRequest(id=request_id), None
    yield DeclineJoinRequest(id=id, user_id=carol.user_id), ada


async def domains(runner: CommandRunner, id: UUID, ada: Actor) -> AsyncIterator[Step]:
    yield AddDomain(id=id, name="rivers.example"), ada
    domain_id = next(event.domain_id for event in runner.store.log if isinstance(event, Team.DomainAdded))
    runner.records.records[record_name("rivers.example")] = [record_value(domain_id)]
    yield ProveDomain(id=id, domain_id=domain_id), ada
    yield NoteDomain(id=id, domain_id=domain_id, found=False), None
    yield RequestDomainMail(id=id, domain_id=domain_id), ada
    link_id = next(event.link_id for event in runner.store.log if isinstance(event, Team.DomainMailRequested))
    yield ProveDomainByMail(token=runner.links.make("domain", id, link_id).token), None
    yield RemoveDomain(id=id, domain_id=domain_id), ada


async def giving(runner: CommandRunner, ada: Actor, bob: Actor) -> AsyncIterator[Step]:
    id = next(event.originator_id for event in runner.store.log if isinstance(event, Document.Created))
    team_id = next(event.originator_id for event in runner.store.log if isinstance(event, Team.Founded))
    yield OfferDocument(id=id, email="bob@example.org"), ada
    yield WithdrawDocumentOffer(id=id), ada
    yield OfferDocument(id=id, email="bob@example.org"), ada
    yield DeclineDocument(id=id), bob
    yield OfferDocument(id=id, email="bob@example.org"), ada
    yield AcceptDocument(id=id), bob
    yield LendDocument(id=id, team_id=team_id, role="editor"), bob
    yield TakeDocumentBack(id=id, team_id=team_id), bob
    yield LendDocument(id=id, team_id=team_id, role="viewer"), bob
    yield OfferLentDocuments(team_id=team_id), bob
    yield OfferDocumentToTeam(id=id, team_id=team_id), bob


def match_of(command: Command[Any]) -> str | None:
    """The version that a client names for the command; None: it names none."""
    return "2" if command.names_version else None


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
        match = match_of(command)
        first = await runner.send(command, actor, f"key {number}", match=match)
        log = len(runner.store.log)
        runner.now += LATER
        again = await runner.send(command, actor, f"key {number}", match=match)
        assert (first.replayed, again.replayed, len(runner.store.log)) == (False, True, log), command
        assert sent(again) == sent(first), command
    # Nothing is kept of an answer about what is erased.
    kept = {command for command in own_commands() if HANDLERS[command].answer is not ErasureStep}
    assert seen == {command for command in kept - ENQUEUED - ENDING - ERASING if not command.answers_secret}


async def test_an_answer_stays_the_same_when_the_aggregate_has_changed() -> None:
    runner = CommandRunner()
    ada, bob = [await runner.actor(f"{name}@example.org") for name in ("ada", "bob")]
    steps: list[Step] = []
    answers = []
    async for command, actor in life_of_a_document(runner, ada, bob):
        steps.append((command, actor))
        answers.append(sent(await runner.send(command, actor, f"key {len(steps)}", match=match_of(command))))
    again = [
        sent(await runner.send(command, actor, f"key {n}", match=match_of(command)))
        for n, (command, actor) in enumerate(steps, 1)
    ]
    assert again == answers


def own_commands() -> set[type[Command[Any]]]:
    import_all("application")
    return {command for command in HANDLERS if command.__module__.startswith("application.")}


def is_small(hint: Any) -> bool:
    """Whether values of a type have few bytes, whatever a request contains."""
    if get_origin(hint) is Literal or hint in {bool, int, float, UUID, datetime, TokenText, type(None)}:
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
    assert RefreshSession.answers_secret


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
    ada = await runner.actor("ada@example.org")
    rename = ChangeProfile(name="Ada L.")
    await runner.send(rename, ada, "key")
    await runner.ask(Deactivate(), ada)
    with pytest.raises(NotFound):
        await runner.send(rename, ada, "key")


async def test_the_id_of_an_operation_is_the_same_for_a_repeat_with_its_key_alone() -> None:
    runner = CommandRunner()
    request = RequestPasswordReset(email="ada@example.org")
    for key in ("key", "key", "other", None, None):
        await runner.send(request, key=key)
    await runner.send(RequestPasswordReset(email="bob@example.org"), key="key")
    first, again, *others = [job.effect_key for job, _ in runner.jobs.waiting]
    assert first == again
    assert len({first, *others}) == 5
    id = UUID(first.removeprefix("link:"))
    assert (id.version, id.variant) == (8, RFC_4122)


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
    desk.now += timedelta(minutes=10, seconds=-1)
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
