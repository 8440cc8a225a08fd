"""Deletion with its grace, locks, and hashes that are made again: from commands to mails."""

from contextlib import nullcontext
from datetime import timedelta
from uuid import UUID

import pytest

from application.content.document import (
    ChangeDocument,
    CreateDocument,
    ShareDocument,
    document_at_version,
)
from application.identity.account import IssueLockdownLink, ResetPassword
from application.identity.account_requests import RequestPasswordReset
from application.identity.authentication import WrongCredentials
from application.identity.confirmation import WrongPassword
from application.identity.sessions import DeletionPending, LogIn
from application.identity.suspension import LockDown, RemindOfDeletion, RequestDeletion, WithdrawDeletion
from application.identity.user import ChangePassword
from application.jobs import JobFailed, perform
from application.ports import AccountDeadline, Actor, DeadlineKind, NotSettled
from application.privacy.account_deadlines import MeetAccountDeadlines
from application.privacy.erasing import ErasureStep
from application.privacy.erasure import EraseDeletedUser
from domain.identity.events import REMINDER_BEFORE
from domain.identity.suspension import DELETION_GRACE
from domain.identity.user import User
from domain.kernel import NotFound
from domain.privacy.refusals import ErasureIsHeld
from tests.support.accounts import token_of
from tests.support.given import NOW
from tests.support.memory_store import MemoryEventStore
from tests.support.use_cases import PASSWORD, CommandRunner

ADA, BOB = "ada@example.org", "bob@example.org"
LOG_IN = LogIn(email=ADA, password=PASSWORD)
DELETE = RequestDeletion(password=PASSWORD)
NEW_PASSWORD = "another sentence to know"


@pytest.fixture
async def runner() -> CommandRunner:
    return CommandRunner()


@pytest.fixture
async def ada(runner: CommandRunner) -> Actor:
    who = await runner.actor(ADA)
    await runner.work()
    return who


async def test_a_login_during_the_grace_asks_whether_to_keep_the_account(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(DELETE, ada)
    with pytest.raises(DeletionPending, match="2026-12-22"):
        await runner.ask(LOG_IN)
    with pytest.raises(WrongCredentials):
        await runner.ask(LogIn(email=ADA, password="wrong"))
    await runner.ask(WithdrawDeletion(email=ADA, password=PASSWORD))
    assert (await runner.ask(LOG_IN)).user_id == ada.user_id
    assert [mail.template for mail in await runner.work()] == ["deletion_withdrawn"]


async def test_the_user_gets_a_mail_that_names_both_ways_back(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(DELETE, ada)
    [mail] = await runner.work()
    assert (mail.to, mail.template) == (ADA, "deletion_requested")
    await runner.ask(LockDown(token=mail.values["lockdown_token"]))
    assert {mail.template for mail in await runner.work()} == {"reset", "deletion_withdrawn"}


async def test_asvs_7_5_1_a_deletion_needs_the_password_and_a_withdrawal_that_of_the_account(
    runner: CommandRunner, ada: Actor
) -> None:
    with pytest.raises(WrongPassword):
        await runner.ask(RequestDeletion(password="wrong"), ada)
    await runner.ask(DELETE, ada)
    for email, password in ((ADA, "wrong"), (BOB, PASSWORD)):
        with pytest.raises(WrongCredentials):
            await runner.ask(WithdrawDeletion(email=email, password=password))
    assert "user.deletion_withdrawn" not in runner.happened()


async def test_during_the_grace_the_users_documents_do_not_exist_for_others(runner: CommandRunner, ada: Actor) -> None:
    bob = await runner.actor(BOB)
    id = (await runner.ask(CreateDocument(title="Notes"), ada)).id
    await runner.ask(ShareDocument(id=id, email=BOB, role="editor"), ada)
    change = ChangeDocument(id=id, title="Otters", content="", status="draft")
    await runner.send(change, bob, "key")
    await runner.ask(DELETE, ada)
    for attempt in (
        runner.ask(change, bob),
        runner.send(change, bob, "key"),
        runner.ask(change, bob, match="1"),
        document_at_version(runner.store, bob, id, 1, NOW),
    ):
        with pytest.raises(NotFound, match="There is no such document"):
            await attempt
    await runner.ask(WithdrawDeletion(email=ADA, password=PASSWORD))
    await runner.ask(change, bob)
    assert (await runner.send(change, bob, "key")).replayed
    assert (await document_at_version(runner.store, bob, id, 1, NOW)).view.title == "Notes"


@pytest.mark.parametrize("suspended", [False, True])
async def test_a_damaged_owner_stops_no_other_person_unless_their_account_waits_for_its_deletion(
    runner: CommandRunner, ada: Actor, suspended: bool
) -> None:
    bob = await runner.actor(BOB)
    id = (await runner.ask(CreateDocument(title="Notes"), ada)).id
    await runner.ask(ShareDocument(id=id, email=BOB, role="editor"), ada)
    await runner.ask(DELETE, ada)
    if not suspended:
        await runner.ask(WithdrawDeletion(email=ADA, password=PASSWORD))
    runner.store.unreadable.add(ada.user_id)
    change = ChangeDocument(id=id, title="Otters", content="", status="draft")
    with pytest.raises(NotFound) if suspended else nullcontext():
        await runner.ask(change, bob)


async def test_an_account_is_erased_after_its_grace_and_not_before(runner: CommandRunner, ada: Actor) -> None:
    id = (await runner.ask(CreateDocument(title="Notes"), ada)).id
    await runner.ask(DELETE, ada)
    nothing = ErasureStep(0, complete=True, unread=[])
    assert await runner.ask(EraseDeletedUser(id=ada.user_id)) == nothing
    await remind(runner, ada)
    assert (await runner.ask(EraseDeletedUser(id=ada.user_id))).complete
    assert {"document.erased", "user.erased"} <= {*runner.happened()}
    assert id in {event.originator_id for event in runner.store.log}
    assert await runner.ask(EraseDeletedUser(id=ada.user_id)) == nothing
    assert await runner.ask(EraseDeletedUser(id=UUID(int=1))) == nothing


async def test_a_withdrawn_deletion_erases_nothing(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(DELETE, ada)
    await remind(runner, ada)
    await runner.ask(WithdrawDeletion(email=ADA, password=PASSWORD))
    assert (await runner.ask(EraseDeletedUser(id=ada.user_id))).changed == 0


async def remind(runner: CommandRunner, who: Actor) -> None:
    """Let the grace pass, with the reminder in time."""
    runner.now += DELETION_GRACE - REMINDER_BEFORE
    await runner.ask(RemindOfDeletion(id=who.user_id))
    runner.now += REMINDER_BEFORE


class Due:
    """Implements `application.ports.AccountDeadlines`: one page of deadlines."""

    def __init__(self, *deadlines: AccountDeadline) -> None:
        self.deadlines = deadlines

    async def due(self, now: object, *, after: AccountDeadline | None) -> list[AccountDeadline]:
        return [] if after else list(self.deadlines)


async def meet(runner: CommandRunner, *deadlines: tuple[UUID, DeadlineKind]) -> None:
    due = Due(*(AccountDeadline(user_id, kind, NOW) for user_id, kind in deadlines))
    await perform(MeetAccountDeadlines(), {**runner.performer_ports, "deadlines": due})


async def test_a_user_is_reminded_and_then_erased_in_as_many_steps_as_it_takes(
    runner: CommandRunner, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.privacy.erasing.MAX_EVENTS", 1)
    for title in "abc":
        await runner.ask(CreateDocument(title=title), ada)
    await runner.ask(DELETE, ada)
    await runner.work()
    runner.now += DELETION_GRACE - REMINDER_BEFORE
    await meet(runner, (UUID(int=1), "deletion_soon"), (ada.user_id, "deletion_soon"))
    assert [mail.template for mail in await runner.work()] == ["deletion_soon"]
    runner.now += REMINDER_BEFORE
    await meet(runner, (ada.user_id, "former_email"), (ada.user_id, "deletion"))
    assert await is_erased(runner, ada.user_id)
    assert runner.happened().count("document.erased") == 3


async def test_a_late_reminder_puts_the_erasure_off(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(DELETE, ada)
    await runner.work()
    runner.now += DELETION_GRACE
    await meet(runner, (ada.user_id, "deletion_soon"), (ada.user_id, "deletion"))
    assert [mail.template for mail in await runner.work()] == ["deletion_soon"]
    assert not await is_erased(runner, ada.user_id)
    runner.now += REMINDER_BEFORE
    await meet(runner, (ada.user_id, "deletion"))
    assert await is_erased(runner, ada.user_id)


@pytest.mark.parametrize("error", [NotSettled(), ErasureIsHeld("The law requires it.")])
async def test_reads_that_follow_late_and_holds_stop_no_other_deadline(error: Exception) -> None:
    sent = []

    async def send(command: RemindOfDeletion, key: str) -> None:
        sent.append(command.id)
        raise error

    due = Due(*(AccountDeadline(UUID(int=n), "deletion_soon", NOW) for n in (1, 2)))
    ports = {"deadlines": due, "send": send, "events": MemoryEventStore(), "clock": lambda: NOW}
    await perform(MeetAccountDeadlines(), ports)
    assert sent == [UUID(int=1), UUID(int=2)]


@pytest.mark.parametrize("kind", ["former_email", "deletion_soon", "deletion"])
async def test_a_damaged_account_stops_no_other_deadline_and_is_reported(
    runner: CommandRunner, ada: Actor, kind: DeadlineKind
) -> None:
    damaged = await runner.account(BOB)
    runner.store.unreadable.add(damaged)
    await runner.ask(DELETE, ada)
    await remind(runner, ada)
    with pytest.raises(JobFailed, match=f"1 streams cannot be read: {damaged}"):
        await meet(runner, (damaged, kind), (ada.user_id, "deletion"))
    assert await is_erased(runner, ada.user_id)
    assert not await is_erased(runner, damaged), "it has requested no deletion"


async def test_a_damaged_user_is_erased_when_their_deletion_is_due(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(CreateDocument(title="Notes"), ada)
    await runner.ask(DELETE, ada)
    runner.store.unreadable.add(ada.user_id)
    runner.now += DELETION_GRACE
    with pytest.raises(JobFailed, match=f"{ada.user_id}"):
        await meet(runner, (ada.user_id, "deletion"))
    assert await is_erased(runner, ada.user_id)
    assert runner.happened().count("document.erased") == 1
    await meet(runner, (ada.user_id, "deletion"))


async def test_a_damaged_user_who_withdrew_their_deletion_stays(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(DELETE, ada)
    await runner.ask(WithdrawDeletion(email=ADA, password=PASSWORD))
    runner.store.unreadable.add(ada.user_id)
    runner.now += DELETION_GRACE
    with pytest.raises(JobFailed):
        await meet(runner, (ada.user_id, "deletion"))
    assert not await is_erased(runner, ada.user_id)


async def is_erased(runner: CommandRunner, user_id: UUID) -> bool:
    user = await runner.store.shell(User, user_id)
    assert user is not None
    return user.erased


async def test_this_was_not_me_locks_the_account_until_the_password_is_set_again(
    runner: CommandRunner, ada: Actor
) -> None:
    await runner.ask(ChangePassword(old=PASSWORD, new=NEW_PASSWORD), ada)
    [mail] = await runner.work()
    await runner.ask(LockDown(token=mail.values["lockdown_token"]))
    for password in (PASSWORD, NEW_PASSWORD):
        with pytest.raises(WrongCredentials):
            await runner.ask(LogIn(email=ADA, password=password))
    [reset] = await runner.work()
    await runner.ask(ResetPassword(token=reset.values["token"], password=PASSWORD))
    assert await runner.ask(LOG_IN)


async def test_mails_within_a_week_have_the_same_link_to_lock(runner: CommandRunner, ada: Actor) -> None:
    tokens = []
    for old, new in ((PASSWORD, NEW_PASSWORD), (NEW_PASSWORD, PASSWORD)):
        await runner.ask(ChangePassword(old=old, new=new), ada)
        [mail] = await runner.work()
        tokens.append(mail.values["lockdown_token"])
        runner.now += timedelta(days=6)
    assert tokens[0] == tokens[1]
    await runner.ask(IssueLockdownLink(user_id=ada.user_id))
    assert runner.happened().count("user.lockdown_link_issued") == 2


async def test_asvs_11_4_2_a_login_replaces_an_outdated_hash_and_nothing_else(
    runner: CommandRunner, ada: Actor
) -> None:
    user = await runner.store.load(User, ada.user_id)
    assert user is not None
    user.rehash_password(password_hash=f"old {PASSWORD[::-1]}", now=NOW)
    await runner.store.append([user], runner.call, None)
    with pytest.raises(WrongCredentials):
        await runner.ask(LogIn(email=ADA, password="wrong"))
    for _ in range(2):
        assert (await runner.ask(LOG_IN)).user_id == ada.user_id
    assert runner.happened().count("user.password_rehashed") == 2
    assert await runner.work() == []


async def all_links_of_an_hour(runner: CommandRunner) -> None:
    """Request links for a new password until none comes any more: anybody may."""
    for minutes in (0, 1, 5, 15):
        runner.now += timedelta(minutes=minutes)
        await runner.ask(RequestPasswordReset(email=ADA))
        assert [mail.template for mail in await runner.work()] == ["reset"]


async def test_a_lock_sends_a_link_however_many_others_have_requested(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(IssueLockdownLink(user_id=ada.user_id))
    await all_links_of_an_hour(runner)
    token = await token_of(runner.store, runner.links, ada.user_id, "lockdown")
    await runner.ask(LockDown(token=token))
    assert [mail.template for mail in await runner.work()] == ["reset"]


async def test_a_changed_password_ends_a_link_and_another_one_comes_at_once(runner: CommandRunner, ada: Actor) -> None:
    await all_links_of_an_hour(runner)
    await runner.ask(ChangePassword(old=PASSWORD, new=NEW_PASSWORD), ada)
    await runner.work()
    await runner.ask(RequestPasswordReset(email=ADA))
    assert [mail.template for mail in await runner.work()] == ["reset"]


async def test_a_mail_whose_link_to_lock_was_used_meanwhile_is_not_sent(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(ChangePassword(old=PASSWORD, new=NEW_PASSWORD), ada)
    [first] = await runner.work()
    await runner.ask(ChangePassword(old=NEW_PASSWORD, new=PASSWORD), ada)
    runner.mail_box.code = 451
    with pytest.raises(JobFailed):
        await runner.work()
    runner.mail_box.code = None
    await runner.ask(LockDown(token=first.values["lockdown_token"]))
    assert [mail.template for mail in await runner.work()] == ["reset"]
