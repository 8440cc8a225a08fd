"""Use cases of sessions: log in, go on by refresh tokens, log out, what ends all of them."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args
from uuid import UUID

import pytest

from application.identity.authentication import WrongCredentials
from application.identity.session_jobs import EndSessions, ReportReuse
from application.identity.sessions import (
    LogIn,
    LogOut,
    LogOutEverywhere,
    NoSuchSession,
    RefreshSession,
    RevokeSession,
    SessionOver,
    SessionTokens,
)
from application.identity.suspension import LockDown
from application.identity.user import ChangePassword, Deactivate
from application.jobs import Job, JobFailed
from application.ports import (
    IDLE_LIFETIME,
    REPEAT_SECONDS,
    SESSION_LIFETIME,
    Actor,
    Beginning,
    Client,
    NewSession,
    SessionEnding,
    SessionMode,
)
from domain.identity.user import User
from tests.support.accounts import token_of
from tests.support.use_cases import PASSWORD, CommandRunner

EMAIL = "ada@example.org"
NEW_PASSWORD = "another sentence to know"


class Visitor:
    """Somebody with an account and a session."""

    def __init__(self, runner: CommandRunner, session: SessionTokens) -> None:
        self.runner, self.first, self.token = runner, session, session.refresh_token
        self.actor = Actor(session.user_id)
        self.session_id = session.session_id

    async def refresh(self, token: str | None = None) -> str:
        """Get the next token; with another one than the latest if it is given."""
        tokens = await self.runner.ask(RefreshSession(token=token or self.token))
        assert (tokens.session_id, tokens.user_id) == (self.session_id, self.actor.user_id)
        if token is None:
            self.token = tokens.refresh_token
        return tokens.refresh_token

    @property
    def is_logged_in(self) -> bool:
        return self.runner.sessions.known(self.session_id) is not None


@pytest.fixture
def runner() -> CommandRunner:
    return CommandRunner()


@pytest.fixture
async def ada(runner: CommandRunner) -> Visitor:
    await runner.account(EMAIL)
    return await visit(runner)


async def visit(runner: CommandRunner, password: str = PASSWORD) -> Visitor:
    return Visitor(runner, await runner.ask(LogIn(email=EMAIL, password=password)))


async def test_each_refresh_gives_another_token(ada: Visitor) -> None:
    tokens = [ada.token, *[await ada.refresh() for _ in range(3)]]
    assert len(set(tokens)) == 4
    assert ada.is_logged_in


async def test_asvs_10_4_5_the_last_token_gets_the_same_answer_again_for_ten_seconds(
    runner: CommandRunner, ada: Visitor
) -> None:
    """A client whose response was lost has only the token that was replaced."""
    old = ada.token
    new = await ada.refresh()
    runner.now += timedelta(seconds=REPEAT_SECONDS)
    assert await ada.refresh(old) == new
    assert await ada.refresh() != new


@pytest.mark.parametrize("mode", get_args(SessionMode))
@pytest.mark.parametrize("late", [True, False], ids=["the last one, too late", "an older one"])
async def test_asvs_10_4_5_a_token_that_is_used_again_ends_its_session_and_warns_the_user(
    runner: CommandRunner, ada: Visitor, late: bool, mode: SessionMode
) -> None:
    other = await visit(runner)
    old = ada.token
    await ada.refresh()
    if late:
        runner.now += timedelta(seconds=REPEAT_SECONDS + 1)
    else:
        await ada.refresh()
    with pytest.raises(SessionOver):
        await runner.ask(RefreshSession(token=old, mode=mode))
    assert not ada.is_logged_in
    assert runner.sessions.why(ada.session_id) == "token_reused"
    with pytest.raises(SessionOver):
        await ada.refresh()
    assert [mail.template for mail in await runner.work()][-1] == "token_reused"
    assert other.is_logged_in
    await other.refresh()


async def test_a_session_that_ended_by_a_reused_token_is_recorded_once(runner: CommandRunner, ada: Visitor) -> None:
    old = ada.token
    await ada.refresh()
    await ada.refresh()
    for _ in range(3):
        with pytest.raises(SessionOver):
            await ada.refresh(old)
        runner.jobs.waiting += [(ReportReuse(user_id=ada.actor.user_id, session_id=ada.session_id), None)]
        await runner.work()
    assert runner.happened().count("user.token_reused") == 1


async def test_a_process_that_dies_before_it_ends_the_session_leaves_that_to_the_job(
    runner: CommandRunner, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ada.token
    await ada.refresh()
    await ada.refresh()
    with monkeypatch.context() as dying:
        dying.setattr(runner.sessions, "end", None)
        with pytest.raises(TypeError):
            await ada.refresh(old)
    assert ada.is_logged_in
    await runner.work()
    assert not ada.is_logged_in


async def test_a_made_up_token_of_a_session_ends_nothing(runner: CommandRunner, ada: Visitor) -> None:
    """Who knows the id of a session must not be able to end it."""
    for token in ("", "nonsense", ada.token[:-1], runner.refresh_tokens.first(ada.session_id).text):
        with pytest.raises(SessionOver):
            await runner.ask(RefreshSession(token=token))
    assert ada.is_logged_in
    await ada.refresh()


async def test_a_token_of_one_mode_does_not_work_in_the_other(runner: CommandRunner, ada: Visitor) -> None:
    old = ada.token
    for token in (old, await ada.refresh()):
        with pytest.raises(SessionOver):
            await runner.ask(RefreshSession(token=token, mode="cookie"))
    await ada.refresh()


@pytest.mark.parametrize(("lifetime", "refreshed"), [(IDLE_LIFETIME, False), (SESSION_LIFETIME, True)])
async def test_asvs_7_3_1_7_3_2_a_session_that_is_over_cannot_be_refreshed(
    runner: CommandRunner, ada: Visitor, lifetime: timedelta, refreshed: bool
) -> None:
    begun = runner.now
    if refreshed:
        for _ in range(4):
            runner.now += timedelta(days=7)
            await ada.refresh()
    runner.now = begun + lifetime - timedelta(seconds=1)
    await ada.refresh()
    runner.now = begun + max(lifetime, SESSION_LIFETIME if refreshed else 2 * IDLE_LIFETIME)
    with pytest.raises(SessionOver):
        await ada.refresh()


async def test_asvs_7_4_1_a_logout_ends_the_session_and_no_other(runner: CommandRunner, ada: Visitor) -> None:
    other = await visit(runner)
    for _ in range(2):
        await runner.ask(LogOut(), ada.actor, session_id=ada.session_id)
    assert (ada.is_logged_in, other.is_logged_in) == (False, True)
    with pytest.raises(SessionOver):
        await ada.refresh()


async def test_asvs_7_4_2_a_closed_account_has_no_sessions(runner: CommandRunner, ada: Visitor) -> None:
    other = await visit(runner)
    await runner.ask(Deactivate(), ada.actor)
    assert not ada.is_logged_in
    for each in (ada, other):
        with pytest.raises(SessionOver):
            await each.refresh()


async def test_asvs_7_4_3_a_changed_password_ends_all_other_sessions(runner: CommandRunner, ada: Visitor) -> None:
    other = await visit(runner)
    change = ChangePassword(old=PASSWORD, new=NEW_PASSWORD)
    await runner.ask(change, ada.actor, session_id=ada.session_id)
    assert (ada.is_logged_in, other.is_logged_in) == (True, False)
    await ada.refresh()
    with pytest.raises(SessionOver):
        await other.refresh()


async def test_a_changed_password_keeps_no_session_that_has_ended(runner: CommandRunner, ada: Visitor) -> None:
    await runner.ask(LogOutEverywhere(), ada.actor)
    await runner.ask(ChangePassword(old=PASSWORD, new=NEW_PASSWORD), ada.actor, session_id=ada.session_id)
    user = await runner.store.load(User, ada.actor.user_id)
    assert user is not None
    assert user.kept_session_id is None


async def test_asvs_7_5_2_a_user_ends_sessions_one_by_one_or_all(runner: CommandRunner, ada: Visitor) -> None:
    other, third = await visit(runner), await visit(runner)
    await runner.ask(RevokeSession(id=other.session_id), ada.actor)
    assert (ada.is_logged_in, other.is_logged_in, third.is_logged_in) == (True, False, True)
    await runner.ask(LogOutEverywhere(), ada.actor)
    assert (ada.is_logged_in, third.is_logged_in) == (False, False)
    assert (await visit(runner)).is_logged_in


async def test_a_user_ends_no_session_of_another(runner: CommandRunner, ada: Visitor) -> None:
    eve = await runner.account("eve@example.org")
    for id in (ada.session_id, UUID(int=5)):
        with pytest.raises(NoSuchSession):
            await runner.ask(RevokeSession(id=id), Actor(eve))
    assert ada.is_logged_in


async def test_a_login_that_saw_the_old_password_does_not_begin_a_session(
    runner: CommandRunner, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password changes after the login has compared it with the old one, and before it begins the session."""
    begin, tries = runner.sessions.begin, 0

    async def late(session: NewSession, job: Job) -> Beginning:
        nonlocal tries
        tries += 1
        if tries == 1:
            await runner.ask(ChangePassword(old=PASSWORD, new=NEW_PASSWORD), ada.actor)
        return await begin(session, job)

    monkeypatch.setattr(runner.sessions, "begin", late)
    with pytest.raises(WrongCredentials):
        await visit(runner)
    assert (await visit(runner, NEW_PASSWORD)).is_logged_in


async def test_a_process_that_dies_after_the_event_ends_no_session_but_none_is_refreshed(
    runner: CommandRunner, ada: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await visit(runner)
    with monkeypatch.context() as dying:
        dying.setattr(runner.sessions, "end_all", None)
        with pytest.raises(TypeError):
            await runner.ask(ChangePassword(old=PASSWORD, new=NEW_PASSWORD), ada.actor, session_id=ada.session_id)
    assert other.is_logged_in
    with pytest.raises(SessionOver):
        await other.refresh()
    await ada.refresh()
    await runner.work()
    assert (ada.is_logged_in, other.is_logged_in) == (True, False)
    await ada.refresh()


async def test_the_job_that_ends_sessions_may_come_late_and_twice(runner: CommandRunner, ada: Visitor) -> None:
    await runner.ask(LogOutEverywhere(), ada.actor)
    user = await runner.store.load(User, ada.actor.user_id)
    assert user is not None
    later = await visit(runner)
    runner.jobs.waiting += [(EndSessions(user_id=user.id, version=user.version), None)] * 2
    await runner.work()
    assert later.is_logged_in
    assert await runner.sessions.end_all([SessionEnding(user.id, user.version)])
    assert later.is_logged_in


async def test_the_first_login_on_a_new_device_is_mailed_and_no_other(runner: CommandRunner, ada: Visitor) -> None:
    assert await runner.work() == []
    phone = replace(runner.call, client=Client("192.0.2.7", "curl/8.1"))
    login = LogIn(email=EMAIL, password=PASSWORD)
    session = (await runner.bus.send(login, phone)).answer
    [mail] = await runner.work()
    assert (mail.template, mail.to) == ("new_device", EMAIL)
    assert mail.message_id == f"new_device.{session.session_id.hex}"
    assert mail.values == {
        "name": "Somebody",
        "device": "curl",
        "time": "22 November 2026, 12:00 UTC",
        "lockdown_token": mail.values["lockdown_token"],
    }
    await runner.bus.send(login, phone)
    await runner.ask(login)
    assert await runner.work() == []


async def test_a_login_on_a_new_device_can_be_answered_by_a_lockdown(runner: CommandRunner, ada: Visitor) -> None:
    await runner.work()
    phone = replace(runner.call, client=Client("192.0.2.7", "curl/8.1"))
    login = LogIn(email=EMAIL, password=PASSWORD)
    await runner.bus.send(login, phone)
    [mail] = await runner.work()
    await runner.ask(LockDown(token=mail.values["lockdown_token"]))
    with pytest.raises(WrongCredentials):
        await runner.bus.send(login, phone)


async def test_a_mail_about_a_device_whose_link_to_lock_was_used_meanwhile_is_not_sent(
    runner: CommandRunner, ada: Visitor
) -> None:
    await runner.work()
    phone = replace(runner.call, client=Client("192.0.2.7", "curl/8.1"))
    await runner.bus.send(LogIn(email=EMAIL, password=PASSWORD), phone)
    runner.mail_box.code = 451
    with pytest.raises(JobFailed):
        await runner.work()
    runner.mail_box.code = None
    token = await token_of(runner.store, runner.links, ada.actor.user_id, "lockdown")
    await runner.ask(LockDown(token=token))
    assert [mail.template for mail in await runner.work()] == ["reset"]
