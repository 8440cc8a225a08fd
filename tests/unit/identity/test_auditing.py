"""Auditors: appointed and dismissed by operators, with an effect on tokens at once."""

from uuid import UUID

import pytest

from application.audit_reads import RecordAuditRead
from application.identity.auditing import AppointAuditor, DismissAuditor, NoSuchAccount
from application.identity.sessions import LogIn, RefreshSession, SessionOver
from application.identity.suspension import RequestDeletion
from application.ports import Actor
from domain.access import AddressNotVerified
from domain.audit.audit_read import AuditRead
from domain.identity import auditing
from domain.identity.refusals import AccountIsSuspended, NotAnAuditor, UserIsDeactivated
from domain.identity.user import User
from domain.kernel import Root
from domain.text import UnusableText
from tests.support.given import NOW, fact, given, new_events
from tests.support.use_cases import PASSWORD, CommandRunner

ADA, BOB = "ada@example.org", "bob@example.org"
REGISTERED = fact(User.Registered, email=ADA, name="Ada", password_hash="hash")
VERIFIED = fact(User.EmailVerified)
APPOINTED = fact(User.AuditorAppointed, reason="Reviews the year.")
DISMISSED = fact(User.AuditorDismissed, reason="The review is done.")
APPOINT = AppointAuditor(email=ADA, reason="Reviews the year.")
DISMISS = DismissAuditor(email=ADA, reason="The review is done.")
READ = RecordAuditRead(operation="audit_user_history", topic="user", aggregate_id=UUID(int=7), user_ids=[UUID(int=7)])


def test_a_user_is_appointed_once_and_dismissed_once() -> None:
    user = given(User, REGISTERED, VERIFIED)
    auditing.appoint_auditor(user, reason=" Reviews the year. ", now=NOW)
    auditing.appoint_auditor(user, reason="Again.", now=NOW)
    auditing.require_auditor(user)
    auditing.dismiss_auditor(user, reason="The review is done.", now=NOW)
    auditing.dismiss_auditor(user, reason="Again.", now=NOW)
    assert new_events(user) == [APPOINTED, DISMISSED]
    with pytest.raises(NotAnAuditor):
        auditing.require_auditor(user)


def test_only_an_open_account_with_a_verified_address_becomes_one() -> None:
    with pytest.raises(AddressNotVerified):
        auditing.appoint_auditor(given(User, REGISTERED), reason="No.", now=NOW)
    with pytest.raises(UserIsDeactivated):
        auditing.appoint_auditor(given(User, REGISTERED, VERIFIED, fact(User.Deactivated)), reason="No.", now=NOW)
    with pytest.raises(AccountIsSuspended):
        auditing.appoint_auditor(given(User, REGISTERED, VERIFIED, fact(User.LockedDown)), reason="No.", now=NOW)


def test_both_take_a_reason() -> None:
    for change in (auditing.appoint_auditor, auditing.dismiss_auditor):
        with pytest.raises(UnusableText):
            change(given(User, REGISTERED, VERIFIED, APPOINTED), reason="  ", now=NOW)


@pytest.mark.parametrize(
    ("event", "refusal"), [(User.Deactivated, UserIsDeactivated), (User.LockedDown, AccountIsSuspended)]
)
def test_an_auditor_whose_account_is_not_open_reads_nothing(event: type[Root.Event], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        auditing.require_auditor(given(User, REGISTERED, VERIFIED, APPOINTED, fact(event)))


@pytest.fixture
async def runner() -> CommandRunner:
    return CommandRunner()


@pytest.fixture
async def ada(runner: CommandRunner) -> Actor:
    return await runner.actor(ADA)


async def test_the_next_tokens_are_those_of_an_auditor(runner: CommandRunner, ada: Actor) -> None:
    before = await runner.ask(LogIn(email=ADA, password=PASSWORD))
    await runner.ask(APPOINT)
    after = await runner.ask(RefreshSession(token=before.refresh_token))
    again = await runner.ask(LogIn(email=ADA, password=PASSWORD))
    assert (before.auditor, after.auditor, again.auditor) == (False, True, True)
    await runner.ask(DISMISS)
    for token in (after.refresh_token, again.refresh_token):
        with pytest.raises(SessionOver):
            await runner.ask(RefreshSession(token=token))
    assert not (await runner.ask(LogIn(email=ADA, password=PASSWORD))).auditor


async def test_a_user_is_named_by_their_present_address(runner: CommandRunner, ada: Actor) -> None:
    for email in (BOB, "Unknown@example.org"):
        with pytest.raises(NoSuchAccount):
            await runner.ask(AppointAuditor(email=email, reason="Who?"))
    await runner.ask(AppointAuditor(email="Ada@Example.org", reason="Reviews the year."))
    assert runner.happened()[-1] == "user.auditor_appointed"


async def test_a_read_is_recorded_of_auditors_only(runner: CommandRunner, ada: Actor) -> None:
    with pytest.raises(NotAnAuditor):
        await runner.ask(READ, ada)
    await runner.ask(APPOINT)
    await runner.ask(READ, ada)
    recorded = runner.store.log[-1]
    assert isinstance(recorded, AuditRead.HistoryRead)
    assert (recorded.auditor_id, recorded.user_ids) == (ada.user_id, [str(UUID(int=7))])
    assert recorded.operation == READ.operation
    await runner.ask(RequestDeletion(password=PASSWORD), ada)
    with pytest.raises(AccountIsSuspended):
        await runner.ask(READ, ada)


async def test_no_read_is_recorded_once_the_dismissal_is_stored(
    runner: CommandRunner, ada: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runner.ask(APPOINT)
    append = runner.store.append

    async def dismissed_meanwhile(*args: object, **more: object) -> object:
        monkeypatch.setattr(runner.store, "append", append)
        await runner.ask(DISMISS)
        return await append(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(runner.store, "append", dismissed_meanwhile)
    with pytest.raises(NotAnAuditor):
        await runner.ask(READ, ada)
    assert runner.happened()[-1] == "user.auditor_dismissed"
