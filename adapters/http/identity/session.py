"""HTTP for sessions: log in, refresh, log out; the list of one's own sessions.

Tokens travel in bodies and in `Authorization`, never in paths or queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from fastapi import Depends, Request
from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.context import Dependencies, context_of
from adapters.http.api.cookies import ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE, set_cookie, without_cookies
from adapters.http.api.deps import Deps
from adapters.http.api.openapi import KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer, HttpHeader, encode
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import Body, OwnEmail, Password
from application.identity.sessions import (
    LogIn,
    LogOut,
    LogOutEverywhere,
    RefreshSession,
    RevokeSession,
    SessionTokens,
    session_over,
)
from application.identity.suspension import WithdrawDeletion
from application.ports import IDLE_LIFETIME, SessionDetails, SessionMode
from domain.access import ACCOUNT

READ, CHANGE = ACCOUNT.action("read"), ACCOUNT.action("change")

router = Router("/v1", tag=Tag("sessions", "Login, tokens, and the caller's sessions."))


def refresh_cookie(request: Request) -> str:
    """Return the refresh token in the cookies of a request.

    Raises:
        SessionOver: there is none.
        CsrfRefused: the CSRF token is missing, or of another session.
    """
    context = context_of(request)
    text = context.cookie(REFRESH_COOKIE) or ""
    token = context.deps.refresh_tokens.read(text)
    if token is None:
        if text:
            context.note_refusal("refresh_session", "invalid_token")
        raise session_over()
    context.require_csrf(token.session_id)
    return text


def removed_cookies(request: Request) -> list[HttpHeader]:
    """Return the headers that remove the cookies of the caller's session; none in bearer mode."""
    identity = context_of(request).identity
    return without_cookies() if identity is not None and identity.mode == "cookie" else []


class RefreshCharge:
    """Charges a refresh by a valid token to its user: many users may share a network. Others stay with the network."""

    __slots__ = ("_context",)

    def __init__(self, request: Request) -> None:
        self._context = context_of(request)

    async def __call__(self, text: str) -> None:
        """Charge the refresh by this token, if it is the latest one of a session, or may be repeated.

        Raises:
            RateLimited: the user has sent too many requests.
        """
        deps = self._context.deps
        token = deps.refresh_tokens.read(text)
        session = None if token is None else await deps.sessions.get(token.session_id)
        if token is None or session is None or session.is_over(deps.clock()):
            return
        if session.use_of(token) in ("current", "repeated"):
            await self._context.charge_user(session.user_id)


Charge = Annotated[RefreshCharge, Depends(RefreshCharge)]
RefreshCookie = Annotated[str, Depends(refresh_cookie)]
RemovedCookies = Annotated[list[HttpHeader], Depends(removed_cookies)]
RefreshText = Annotated[str, Field(min_length=1, max_length=128, examples=["AZjxwns6fE2eXwoLHC0-T1…"])]


class Credentials(Body):
    """An email address and a password. `mode`: how the client sends the tokens of the session, now and later."""

    MAX_BYTES: ClassVar[int] = 4_096
    email: OwnEmail
    password: Password
    mode: SessionMode = "bearer"


class RefreshRequest(Body):
    """The session's latest refresh token."""

    MAX_BYTES: ClassVar[int] = 4_096
    refresh_token: RefreshText


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """The tokens of a session. Send the access token as `Authorization: Bearer ACCESS_TOKEN`.

    It is valid for `expires_in` seconds, and for no longer than its session. The refresh token gets the next tokens,
    once.
    """

    access_token: Annotated[str, Field(examples=["eyJhbGciOiJFZDI1NTE5…"])]
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, Field(examples=[3600])]
    refresh_token: RefreshText
    session_id: UUID


@dataclass(frozen=True, slots=True)
class CookieSession:
    """A session whose tokens are in cookies. Send `csrf_token` as `X-CSRF-Token` with all but GET and HEAD.

    The access token is valid for `expires_in` seconds; before that, get the next one.
    """

    csrf_token: Annotated[str, Field(examples=["q6XnT1…"])]
    expires_in: Annotated[int, Field(examples=[3600])]
    session_id: UUID


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session of the caller. `address`: the IP address of its last refresh."""

    id: UUID
    current: bool
    device: Annotated[str, Field(examples=["Firefox on Linux"])]
    address: Annotated[str | None, Field(examples=["192.0.2.7"])]
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime


@router.post(
    "/auth/login",
    response_model=IssuedTokens | CookieSession,
    **operation(
        "The tokens of a session; in cookie mode they are in cookies.",
        takes=["Challenge-Solution"],
        fails=[401, 409, 503],
        limits=["sign-in"],
    ),
)
async def log_in(body: Credentials, send: Send, deps: Dependencies) -> Answer:
    """Log in with email address and password, which begins a session. The address must be verified.

    A session ends 30 days after the login, or 14 days after its last refresh. After three failures for an address, the
    next attempt must wait: 429 `too_many_attempts` says how long. With the solution of a challenge it need not wait. An
    account that waits for its deletion answers 409 `deletion_pending`.

    With the mode `cookie`, for browsers, the tokens are in cookies that scripts cannot read, and in no body. A session
    has one mode: its tokens are refused in the other way.
    """
    return _tokens(await send.ask(LogIn(email=body.email, password=body.password, mode=body.mode)), deps)


@router.post(
    "/auth/withdraw-deletion",
    **operation(
        "The account stays.",
        takes=[*KEYED, "Challenge-Solution"],
        fails=[401, 503],
        limits=["sign-in"],
        status=204,
    ),
)
async def withdraw_deletion(body: Credentials, send: Send) -> Answer:
    """Keep an account that waits for its deletion, with email address and password. Then log in again."""
    return await send(WithdrawDeletion(email=body.email, password=body.password))


@router.post("/auth/refresh", response_model=IssuedTokens, **operation("The next tokens.", fails=[401, 409, 503]))
async def refresh_session(body: RefreshRequest, charge: Charge, send: Send, deps: Dependencies) -> Answer:
    """Get the next tokens of a session. They replace the refresh token, which must not be used again.

    If the response was lost, the same token gets the same refresh token again, for 10 seconds. After that, and with any
    older token, the session ends, and a mail warns the user: somebody else may have the token. A refusal is 401
    `session_over`.
    """
    await charge(body.refresh_token)
    return _tokens(await send.ask(RefreshSession(token=body.refresh_token)), deps)


@router.post(
    "/auth/refresh-cookies",
    response_model=CookieSession,
    **operation("The next tokens are in cookies.", fails=[401, 403, 409, 503]),
)
async def refresh_cookies(token: RefreshCookie, charge: Charge, send: Send, deps: Dependencies) -> Answer:
    """Get the next tokens of a session in cookie mode. It takes the refresh token from its cookie, and a CSRF token.

    The rules are those of `/v1/auth/refresh`.
    """
    await charge(token)
    return _tokens(await send.ask(RefreshSession(token=token, mode="cookie")), deps)


@router.post("/auth/logout", **operation("The session has ended.", access=CHANGE, status=204))
async def log_out(send: Send, removed: RemovedCookies) -> Answer:
    """End the caller's session. After the response its tokens are no longer valid, and its cookies are removed."""
    await send.ask(LogOut())
    return Answer(b"", 204, removed)


@router.post(
    "/auth/logout-everywhere",
    **operation("All sessions have ended.", access=CHANGE, takes=KEYED, status=204),
)
async def log_out_everywhere(send: Send, removed: RemovedCookies) -> Answer:
    """End all sessions of the caller, also this one. After the response none of their tokens is valid."""
    answer = await send(LogOutEverywhere())
    answer.raw_headers += removed
    return answer


@router.get("/users/me/sessions", response_model=list[SessionView], **operation("The sessions.", access=READ))
async def list_sessions(read: Read, deps: Dependencies) -> Answer:
    """List the caller's sessions, the newest first. The current one is marked."""
    return read.unversioned(_views(await deps.sessions.of(read.actor.user_id, read.now), read.session_id))


@router.delete(
    "/users/me/sessions/{session_id}",
    **operation("It has ended.", access=CHANGE, takes=KEYED, status=204),
)
async def revoke_session(session_id: UUID, send: Send) -> Answer:
    """End one of the caller's sessions. After the response its tokens are no longer valid."""
    return await send(RevokeSession(id=session_id))


def _tokens(session: SessionTokens, deps: Deps) -> Answer:
    """Answer with the tokens of a session, in the way that its mode demands."""
    access, seconds, id = (
        deps.tokens.issue(session.user_id, session.session_id, auditor=session.auditor),
        deps.tokens.lifetime,
        session.session_id,
    )
    if session.mode == "bearer":
        return Answer(encode(IssuedTokens(access, "Bearer", seconds, session.refresh_token, id)))
    csrf, idle = deps.csrf.make(id), int(IDLE_LIFETIME.total_seconds())
    cookies = [
        set_cookie(ACCESS_COOKIE, access, seconds),
        set_cookie(REFRESH_COOKIE, session.refresh_token, idle),
        set_cookie(CSRF_COOKIE, csrf, idle, for_scripts=True),
    ]
    return Answer(encode(CookieSession(csrf, seconds, id)), 200, cookies)


def _views(sessions: Sequence[SessionDetails], current: UUID) -> list[SessionView]:
    return [
        SessionView(
            each.id,
            each.id == current,
            each.device,
            each.address,
            each.created_at,
            each.last_used_at,
            each.ends_at,
        )
        for each in sessions
    ]
