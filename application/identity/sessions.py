"""Use cases of sessions: log in, go on by refresh tokens, log out.

Sessions are no events, so these handlers change them through the port `sessions`, at once. That is safe: each change
may be repeated. What ends all sessions of a user is an event of the user, and the log is the truth: a refresh compares
the session with the user, whatever else was interrupted.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.held_subjects import is_held
from application.identity.authentication import Authentication
from application.identity.session_jobs import NewDeviceMail, ReportReuse
from application.ports import (
    Actor,
    Client,
    Clock,
    DeviceNames,
    EmailIndex,
    JobQueue,
    NewId,
    NewSession,
    NotAuthenticated,
    Passwords,
    RefreshTokens,
    SecurityEntry,
    SecurityLog,
    Session,
    SessionMode,
    Sessions,
    Store,
    TokenText,
    TokenUse,
    VersionConflict,
)
from application.security_actions import SecurityReason
from domain.identity.user import User
from domain.kernel import Conflict, NotFound

NO_CLIENT = Client("", "")


class DeletionPending(Conflict):
    """The account waits for its deletion, which the user may withdraw."""


class SessionOver(NotAuthenticated):
    """The session has ended, or the refresh token is none of its own."""


class NoSuchSession(NotFound):
    """The user has no such session."""


@dataclass(frozen=True, slots=True)
class SessionTokens:
    """A session that goes on: with a new refresh token, and an access token that is to be issued.

    `auditor`: whether the user is one now.
    """

    user_id: UUID
    session_id: UUID
    mode: SessionMode
    refresh_token: TokenText = field(repr=False)
    auditor: bool = False


class LogIn(Command[SessionTokens]):
    """Begin a session, with email address and password."""

    answers_secret: ClassVar[bool] = True

    email: str
    password: str
    mode: SessionMode = "bearer"


class RefreshSession(Command[SessionTokens]):
    """Go on with a session. The token is replaced; the last one counts for some seconds, with the same answer."""

    answers_secret: ClassVar[bool] = True

    token: str
    mode: SessionMode = "bearer"


class LogOut(Command[None]):
    """End the actor's own session."""


class LogOutEverywhere(Command[None]):
    """End all sessions of the actor."""


class RevokeSession(Command[None]):
    """End one session of the actor."""

    id: UUID


@handles
async def log_in(
    cmd: LogIn,
    store: Store,
    authentication: Authentication,
    passwords: Passwords,
    addresses: EmailIndex,
    sessions: Sessions,
    refresh_tokens: RefreshTokens,
    security_log: SecurityLog,
    device_names: DeviceNames,
    client: Client | None,
    request_id: UUID,
    new_id: NewId,
    clock: Clock,
) -> SessionTokens:
    user = await authentication.user(cmd.email, cmd.password)
    if user.deletion_due is not None:
        entry = SecurityEntry("log_in", "refused", request_id, client, user.id, reason="deletion_pending")
        security_log.note(entry)
        raise DeletionPending(_until_when(user.deletion_due, held=await is_held(store, user.id)))
    id, version = new_id(), user.version
    if passwords.is_outdated(user.password_hash):
        user.rehash_password(password_hash=await passwords.hash(cmd.password), now=clock())
        store.save(user)
    token, address_id = refresh_tokens.first(id), addresses.address_id(user.email)
    session = NewSession(id, user.id, version, address_id, cmd.mode, clock(), token=token, client=client or NO_CLIENT)
    device = device_names(session.client.user_agent)
    mail = NewDeviceMail(user_id=user.id, session_id=id, device=device, at=session.created_at)
    if await sessions.begin(session, mail) == "refused":
        # The password was changed since the user was loaded: look again.
        raise VersionConflict([user.id])
    await security_log.record(SecurityEntry("log_in", "done", request_id, client, user.id, id))
    return SessionTokens(user.id, id, cmd.mode, token.text, user.auditor)


@handles
async def refresh_session(
    cmd: RefreshSession,
    store: Store,
    sessions: Sessions,
    refresh_tokens: RefreshTokens,
    queue: JobQueue,
    security_log: SecurityLog,
    client: Client | None,
    request_id: UUID,
    clock: Clock,
) -> SessionTokens:
    token, now = refresh_tokens.read(cmd.token), clock()
    session = None if token is None else await sessions.get(token.session_id)
    if token is None or session is None or (use := session.use_of(token)) == "foreign":
        security_log.note(SecurityEntry("refresh_session", "refused", request_id, client, reason="invalid_token"))
        raise session_over()
    user = await _account(store, session)
    refusal, following = _why_refused(user, session, use, cmd.mode, now), None
    if refusal == "token_reused":
        # First the job: if this is interrupted, the job ends the session, and the user learns of it.
        await queue.enqueue(ReportReuse(user_id=session.user_id, session_id=session.id))
        await sessions.end(session.user_id, [session.id], "token_reused")
    elif refusal is None and use == "current":
        following = refresh_tokens.after(token)
        if not await sessions.rotate(session, following, client or NO_CLIENT, now):
            # Another request with this token came first: look again.
            raise VersionConflict([session.id])
    elif refusal is None:
        following = refresh_tokens.again(token, session.digest)
    if following is None or user is None:
        entry = SecurityEntry("refresh_session", "refused", request_id, client, session.user_id, session.id)
        security_log.note(replace(entry, reason=refusal or "invalid_token"))
        raise session_over()
    return SessionTokens(session.user_id, session.id, session.mode, following.text, user.auditor)


@handles
async def log_out(
    cmd: LogOut,
    sessions: Sessions,
    security_log: SecurityLog,
    actor: Actor,
    client: Client | None,
    session_id: UUID | None,
    request_id: UUID,
) -> None:
    assert session_id is not None
    await sessions.end(actor.user_id, [session_id], "logout")
    security_log.note(SecurityEntry("log_out", "done", request_id, client, actor.user_id, session_id))


@handles
async def log_out_everywhere(cmd: LogOutEverywhere, store: Store, actor: Actor, clock: Clock) -> None:
    user = await store.get(User, actor.user_id)
    user.end_sessions(now=clock())
    store.save(user)


@handles
async def revoke_session(
    cmd: RevokeSession,
    sessions: Sessions,
    security_log: SecurityLog,
    actor: Actor,
    client: Client | None,
    request_id: UUID,
) -> None:
    if not await sessions.end(actor.user_id, [cmd.id], "revoked"):
        raise NoSuchSession("You have no such session.")
    security_log.note(SecurityEntry("end_session", "done", request_id, client, actor.user_id, cmd.id))


def session_over() -> SessionOver:
    """Return the refusal of a refresh token: the same for all reasons."""
    return SessionOver("The session has ended, or this is not its latest refresh token; log in again.")


def _until_when(due: datetime, *, held: bool) -> str:
    """Say to a user when their account is deleted, and how they keep it."""
    when = f"This account is to be deleted on {due:%Y-%m-%d}."
    if held:
        when = "This account is to be deleted as soon as the law allows it, which requires us to keep it for now."
    return (
        f"{when} Do you want to keep it? Then withdraw the deletion with the same email address and password, and log "
        "in again."
    )


async def _account(store: Store, session: Session) -> User | None:
    """Return the user of a session; None: the account is gone."""
    try:
        return await store.get(User, session.user_id)
    except NotFound:
        return None


def _why_refused(
    user: User | None, session: Session, use: TokenUse, mode: SessionMode, now: datetime
) -> SecurityReason | None:
    """Return why a token is refused; None: it is the current one of its session, or the last one used again at once.

    `use`: which of the session's tokens it is. A reused one is found in either mode: a thief need not know where it
    came from.
    """
    if session.ended_at is not None:
        return "session_ended"
    if session.is_over(now):
        return "session_expired"
    if user is None or not user.keeps_session(session.id, session.user_version):
        return "session_ended"
    if use == "reused":
        return "token_reused"
    return None if session.mode == mode else "wrong_mode"
