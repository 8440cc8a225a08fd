"""The security log as use cases and the bus fill it, and as its user reads it."""

from contextlib import suppress
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from application.commands import HANDLERS, Command
from application.identity.account import IssueLink, OpenAccount, ResetPassword, VerifyEmail
from application.identity.email_change import RequestEmailChange
from application.identity.sessions import LogIn, LogOut, RefreshSession, RevokeSession, SessionTokens
from application.identity.suspension import RequestDeletion, WithdrawDeletion
from application.identity.user import ChangePassword, Deactivate
from application.ports import (
    IDLE_LIFETIME,
    REPEAT_SECONDS,
    Actor,
    Client,
    CommandContext,
    SecurityEntry,
    SessionMode,
    Unavailable,
)
from application.proofs import REASONS
from application.security_actions import SecurityAction
from domain.identity.user import User
from domain.kernel import Refusal
from projections.identity.account_change import CHANGES, AccountChange, AccountChanges
from projections.identity.security_log import ACTIONS, security_log
from projections.kernel import Fold
from tests.support.accounts import token_of
from tests.support.given import ID, NOW
from tests.support.http import OneRow
from tests.support.memory_security_log import MemorySecurityLog
from tests.support.projecting import recorded
from tests.support.use_cases import PASSWORD, CommandRunner

EMAIL = "ada@example.org"
CLIENT = Client("192.0.2.7", "Firefox")
NEW_PASSWORD = "another sentence to know"


async def tried(
    runner: CommandRunner,
    command: Any,
    by: Actor | None = None,
    key: str | None = None,
    session_id: UUID | None = None,
) -> SecurityEntry:
    """Send a command by a known client, refused or not; return the one new entry."""
    before = len(runner.security_log.logged)
    context = CommandContext(by, uuid7(), idempotency_key=key, client=CLIENT, session_id=session_id)
    with suppress(Refusal):
        await runner.bus.send(command, context)
    [logged] = runner.security_log.logged[before:]
    assert (logged.entry.request_id, logged.entry.client) == (context.correlation_id, CLIENT)
    return logged.entry


def said(entry: SecurityEntry) -> tuple[Any, ...]:
    return entry.action, entry.outcome, entry.reason, entry.user_id


async def test_asvs_16_3_1_each_login_is_logged_with_its_account_and_the_reason_of_a_refusal() -> None:
    runner = CommandRunner()
    ada = await runner.account(EMAIL)
    new = UUID(int=0x0BE4)
    await runner.ask(OpenAccount(id=new, email="new@example.org", name="N", password_hash=PASSWORD[::-1]))
    assert said(await tried(runner, LogIn(email=EMAIL, password=PASSWORD))) == ("log_in", "done", None, ada)
    for email, password, reason, user_id in [
        (EMAIL, "wrong", "wrong_password", ada),
        ("stranger@example.org", PASSWORD, "unknown_address", None),
        ("nonsense", PASSWORD, "unknown_address", None),
        ("new@example.org", "wrong", "wrong_password", new),
        ("new@example.org", PASSWORD, "address_not_verified", new),
    ]:
        entry = await tried(runner, LogIn(email=email, password=password))
        assert said(entry) == ("log_in", "refused", reason, user_id)
    await runner.ask(Deactivate(), by=Actor(ada))
    entry = await tried(runner, LogIn(email=EMAIL, password=PASSWORD))
    assert said(entry) == ("log_in", "refused", "account_closed", ada)


async def test_asvs_16_3_1_a_password_that_is_asked_for_again_is_logged() -> None:
    runner = CommandRunner()
    ada = Actor(await runner.account(EMAIL))
    entry = await tried(runner, ChangePassword(old="wrong", new=NEW_PASSWORD), by=ada)
    assert said(entry) == ("confirm_password", "refused", "wrong_password", ada.user_id)
    entry = await tried(runner, ChangePassword(old=PASSWORD, new=NEW_PASSWORD), by=ada)
    assert said(entry) == ("confirm_password", "done", None, ada.user_id)


async def test_asvs_16_3_1_links_are_logged_for_the_account_once_it_is_shown_to_be_theirs() -> None:
    runner = CommandRunner()
    ada = await runner.account(EMAIL)
    for command in (VerifyEmail(token="forged"), ResetPassword(token="forged", password=NEW_PASSWORD)):
        assert said(await tried(runner, command)) == ("use_link", "refused", "link_not_valid", None)
    await runner.ask(IssueLink(user_id=ada, kind="reset"))
    token = await token_of(runner.store, runner.links, ada, "reset")
    reset = ResetPassword(token=token, password=NEW_PASSWORD)
    assert said(await tried(runner, reset)) == ("use_link", "done", None, ada)
    assert said(await tried(runner, reset)) == ("use_link", "refused", "link_not_valid", None)


@pytest.mark.parametrize("mode", get_args(SessionMode))
async def test_asvs_16_3_1_a_refused_refresh_is_logged_with_its_reason(mode: SessionMode) -> None:
    """Without the user, unless the token shows that it was once one of the session's."""
    runner, login = CommandRunner(), LogIn(email=EMAIL, password=PASSWORD, mode=mode)
    ada = await runner.account(EMAIL)
    first = await runner.ask(login)
    made_up, absent = (runner.refresh_tokens.first(id).text for id in (first.session_id, UUID(int=7)))
    for text in ("nonsense", made_up, absent):
        entry = await tried(runner, RefreshSession(token=text, mode=mode))
        assert (said(entry), entry.session_id) == (("refresh_session", "refused", "invalid_token", None), None)

    async def refused(session: SessionTokens, in_mode: SessionMode = mode) -> str | None:
        entry = await tried(runner, RefreshSession(token=session.refresh_token, mode=in_mode))
        assert said(entry) == ("refresh_session", "refused", entry.reason, ada)
        assert entry.session_id == session.session_id
        return entry.reason

    assert await refused(first, "cookie" if mode == "bearer" else "bearer") == "wrong_mode"
    await runner.ask(RefreshSession(token=first.refresh_token, mode=mode))
    runner.now += timedelta(seconds=REPEAT_SECONDS + 1)
    assert [await refused(first) for _ in range(2)] == ["token_reused", "session_ended"]
    cut, late = await runner.ask(login), await runner.ask(login)
    change = ChangePassword(old=PASSWORD, new=NEW_PASSWORD)
    with pytest.MonkeyPatch.context() as dying:  # the process that has changed the password ends no session
        dying.setattr(runner.sessions, "end_all", None)
        with pytest.raises(TypeError):
            await runner.ask(change, Actor(ada), session_id=late.session_id)
    assert await refused(cut) == "session_ended"
    runner.now += IDLE_LIFETIME
    assert await refused(late) == "session_expired"


async def test_asvs_16_3_1_ends_of_sessions_by_their_user_are_logged() -> None:
    runner, login = CommandRunner(), LogIn(email=EMAIL, password=PASSWORD)
    ada = Actor(await runner.account(EMAIL))
    own, other = await runner.ask(login), await runner.ask(login)
    entry = await tried(runner, RevokeSession(id=other.session_id), by=ada)
    assert (said(entry), entry.session_id) == (("end_session", "done", None, ada.user_id), other.session_id)
    entry = await tried(runner, LogOut(), by=ada, session_id=own.session_id)
    assert (said(entry), entry.session_id) == (("log_out", "done", None, ada.user_id), own.session_id)


async def test_a_repeat_of_a_keyed_request_is_no_second_proof() -> None:
    runner = CommandRunner()
    ada = Actor(await runner.account(EMAIL))
    change = ChangePassword(old=PASSWORD, new=NEW_PASSWORD)
    await tried(runner, change, by=ada, key="key")
    before = len(runner.security_log.logged)
    assert (await runner.send(change, ada, "key")).replayed
    assert len(runner.security_log.logged) == before


@pytest.mark.parametrize(
    "command",
    [
        ChangePassword(old=PASSWORD, new="weak"),
        RequestEmailChange(email=EMAIL, password=PASSWORD),
        RequestEmailChange(email="nonsense", password=PASSWORD),
    ],
    ids=["weak", "same", "unusable"],
)
async def test_a_password_that_was_right_is_logged_whatever_is_refused_afterwards(command: Command[None]) -> None:
    runner = CommandRunner()
    ada = Actor(await runner.account(EMAIL))
    with pytest.raises(Refusal):
        await runner.ask(command, by=ada)
    assert said(await tried(runner, command, by=ada)) == ("confirm_password", "done", None, ada.user_id)


async def test_a_right_password_is_logged_though_a_server_fails_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = CommandRunner()
    ada = Actor(await runner.account(EMAIL))

    async def fail(*_: str) -> None:
        raise Unavailable("passwords", 1)

    monkeypatch.setattr(runner.passwords, "weakness", fail)
    with pytest.raises(Unavailable):
        await runner.ask(ChangePassword(old=PASSWORD, new=NEW_PASSWORD), by=ada)
    assert runner.security_log.what_happened()[-1] == ("confirm_password", "done", None)


async def test_a_refusal_that_has_nothing_to_do_with_a_link_is_not_logged() -> None:
    runner = CommandRunner()
    ada = await runner.account(EMAIL)
    await runner.ask(IssueLink(user_id=ada, kind="reset"))
    token = await token_of(runner.store, runner.links, ada, "reset")
    before = len(runner.security_log.logged)
    with pytest.raises(Refusal):
        await runner.ask(ResetPassword(token=token, password="weak"))
    assert len(runner.security_log.logged) == before


async def test_asvs_16_3_1_a_deletion_that_is_found_or_withdrawn_by_the_password_is_logged() -> None:
    runner = CommandRunner()
    ada = await runner.account(EMAIL)
    withdraw = WithdrawDeletion(email=EMAIL, password=PASSWORD)
    await runner.ask(RequestDeletion(password=PASSWORD), by=Actor(ada))
    entry = await tried(runner, LogIn(email=EMAIL, password=PASSWORD))
    assert said(entry) == ("log_in", "refused", "deletion_pending", ada)
    for _ in range(2):
        assert said(await tried(runner, withdraw)) == ("confirm_password", "done", None, ada)
    wrong = await tried(runner, WithdrawDeletion(email=EMAIL, password="wrong"))
    assert said(wrong) == ("log_in", "refused", "wrong_password", ada)


def test_the_log_and_the_events_have_different_words() -> None:
    assert len({*ACTIONS}) == len(ACTIONS)
    assert {command.proves for command in HANDLERS} - {None} <= {*get_args(SecurityAction)}
    assert {"wrong_password", "link_not_valid", "role_too_low", "insufficient_scope"} <= REASONS


def test_what_proves_who_the_sender_of_a_command_is() -> None:
    found = {command.__name__: command.proves for command in HANDLERS if command.proves}
    assert found == {
        **dict.fromkeys(
            ["ChangePassword", "RequestDeletion", "RequestEmailChange", "WithdrawDeletion"], "confirm_password"
        ),
        **dict.fromkeys(
            ["ConfirmEmailChange", "LockDown", "ResetPassword", "UndoEmailChange", "VerifyEmail"], "use_link"
        ),
    }


def test_every_event_of_a_user_is_a_change_until_an_erasure_drops_all() -> None:
    user = User.register(id=ID, email=EMAIL, name="Ada", password_hash="hash", now=NOW)
    user.change_profile(name="Countess", avatar_url=None, now=NOW)
    user.deactivate(now=NOW)
    fold = Fold(AccountChanges())
    fold.fold(fold.stage(recorded(*user.pending_events)))  # type: ignore[arg-type]
    rows = {key: row["name"] for key, row in fold.rows.items() if row is not None}
    assert rows == {(ID, 1): "registered", (ID, 2): "profile_changed", (ID, 3): "deactivated"}
    assert len({row["id"] for row in fold.rows.values() if row is not None}) == 3
    user.erase(now=NOW)
    fold.fold(fold.stage(recorded(*user.pending_events)))  # type: ignore[arg-type]
    assert {*fold.rows.values()} == {None}
    assert "erased" not in CHANGES.values()


async def test_entries_and_changes_are_one_list_by_time_in_pages() -> None:
    now = NOW
    log = MemorySecurityLog(lambda: now)
    expected = list[str]()
    changes = list[AccountChange]()
    for minute in range(6):
        now = NOW.replace(minute=minute)
        if minute % 2:
            changes.append(AccountChange(UUID(int=minute), now, "profile_changed"))
        else:
            log.note(SecurityEntry("log_in", "done", uuid7(), CLIENT, ID))
        expected.append(now.isoformat())

    class Rows(OneRow):
        async def all(self, kind: type[Any], query: str, params: Any) -> list[Any]:
            before = (params["before"], params["before_id"])
            found = [each for each in changes if before == (None, None) or (each.at, each.id) < before]
            return sorted(found, key=lambda each: each.at, reverse=True)[: params["limit"]]

    found, cursor = list[str](), None
    while True:
        page = await security_log(Rows(), log, ID, limit=4, cursor=cursor)
        found += [entry.at.isoformat() for entry in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == expected[::-1]
