"""Request context: the state of one request while it is handled. Only this module assigns to it."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import Depends, Request

from adapters.client_network import client_network
from adapters.http.api.cookies import ACCESS_COOKIE, CSRF_COOKIE, CSRF_HEADER, cookies_of
from adapters.http.api.deps import Deps
from adapters.http.api.limits import LimitName, headers_of, words_of
from adapters.http.api.problems import CHALLENGE, CsrfRefused, InsufficientScope, Malformed, Unauthenticated
from adapters.http.api.responses import HttpHeader
from adapters.http.api.tokens import BadToken, EarlyToken, ExpiredToken
from application.ports import (
    Actor,
    BucketState,
    Client,
    CommandContext,
    Decision,
    Precondition,
    RateLimited,
    SecurityEntry,
    SessionMode,
    TooManyAtOnce,
)
from application.security_actions import SecurityAction, SecurityReason

TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?=-|$)")

INVALID = "The access token is invalid or expired, or its session has ended; refresh it, or log in again."
EARLY = "The access token is not valid yet: the clock of a server is wrong. Refresh it, or try again in some minutes."

CONTEXT = "palimpsest.context"
"""The key of the context in the ASGI scope."""


class Identity(msgspec.Struct, frozen=True):
    """Who sends a request, and in which session. `user_id`: as text; `expires`: of the token, seconds since 1970."""

    actor: Actor
    session_id: UUID
    mode: SessionMode
    user_id: str
    scopes: frozenset[str]
    expires: float


class RequestContext:
    """One request: its headers, its route once that is known, and its caller once authenticated.

    `status` is the route's status on success. `path` is None until its parameters are valid, and where a parameter may
    be any text: such a path may contain personal data, and must not be logged. `address`: the client's, if it is known.
    `route_headers`: headers of the response that the route has on each one.
    """

    __slots__ = (
        "_charged",
        "address",
        "deps",
        "headers",
        "identity",
        "path",
        "request_id",
        "route",
        "route_headers",
        "status",
    )

    def __init__(self, deps: Deps, headers: Mapping[bytes, bytes], request_id: UUID, address: str = "") -> None:
        self.deps = deps
        self.address = address
        self.headers = headers
        self.request_id = request_id
        self.identity: Identity | None = None
        self.route = "unknown"
        self.path: str | None = None
        self.route_headers: Sequence[HttpHeader] = ()
        self._charged: tuple[BucketState, ...] = ()
        self.status = 200

    def header(self, name: bytes) -> str | None:
        """Return a request header by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def accepts(self, media: str) -> bool:
        """Return whether `Accept` names this media type; wildcards do not count."""
        ranges = (self.header(b"accept") or "").lower().split(",")
        return media in {each.partition(";")[0].strip() for each in ranges}

    @property
    def traceparent(self) -> str | None:
        """Return the caller's position in its trace."""
        return traceparent_of(self.headers.get(b"traceparent", b""))

    def call(self, key: str | None = None, precondition: Precondition | None = None) -> CommandContext:
        """Return the metadata of a command of this request. `key`: its Idempotency-Key."""
        identity = self.identity
        return CommandContext(
            identity.actor if identity else None,
            self.request_id,
            idempotency_key=key,
            traceparent=self.traceparent,
            precondition=precondition,
            client=self.client,
            session_id=identity.session_id if identity else None,
        )

    @property
    def client(self) -> Client:
        """Return the program that sent the request."""
        agent, solution = self.header(b"user-agent") or "", self.header(b"challenge-solution") or ""
        return Client(self.address, agent, client_network.get(), solution)

    def note_refusal(self, action: SecurityAction, reason: SecurityReason) -> None:
        """Note in the security log what the caller was refused."""
        user_id = self.identity.actor.user_id if self.identity else None
        entry = SecurityEntry(action, "refused", self.request_id, self.client, user_id, reason=reason)
        self.deps.security_log.note(entry)

    def matched(self, route: str, status: int, headers: Sequence[HttpHeader] = ()) -> None:
        """Set the route's template, its status on success, and headers of all its responses."""
        self.route, self.status, self.route_headers = route, status, headers

    def validated(self, path: str) -> None:
        """Set the path, once its parameters are valid."""
        self.path = path

    def cookie(self, name: str) -> str | None:
        """Return a cookie."""
        return cookies_of(self.header(b"cookie") or "").get(name)

    async def authenticate(self, scope: str, *, changes: bool) -> None:
        """Identify the caller. `changes`: the request may change something.

        Raises:
            Unauthenticated: the token is missing or invalid, or its session is over.
            InsufficientScope: the token lacks `scope`.
            CsrfRefused: the token came in a cookie, and the CSRF token is missing or wrong.
            Malformed: there are two tokens.
            Unavailable: whether the session is over cannot be known now.
        """
        mode, token = self._token()
        try:
            grant = self.deps.tokens.identify(token)
        except BadToken as bad:
            if not isinstance(bad, ExpiredToken):
                self.note_refusal("use_token", "invalid_token")
            raise _invalid_token(EARLY if isinstance(bad, EarlyToken) else INVALID) from None
        sessions, id = self.deps.live_sessions, grant.session_id
        session = sessions.known(id) or await sessions.find(id)
        if session is None or session.mode != mode or session.actor.user_id != grant.user_id:
            self.note_refusal("use_token", "session_ended")
            raise _invalid_token()
        if changes and mode == "cookie":
            self.require_csrf(id)
        # An actor of its own: what links lend is noted on it, and one session has requests at the same time.
        actor = Actor(session.actor.user_id, session.actor.address_id)
        self.identity = Identity(actor, id, mode, session.user_id, grant.scopes, grant.expires)
        if scope not in grant.scopes:
            raise InsufficientScope(
                f"This requires an access token with the scope {scope}.", _challenge("insufficient_scope")
            )

    async def require_session(self) -> None:
        """Refuse the request if the session of its caller has ended since.

        Raises:
            Unauthenticated: it has ended.
            Unavailable: whether the session is over cannot be known now.
        """
        assert self.identity is not None
        sessions, id = self.deps.live_sessions, self.identity.session_id
        if not (sessions.known(id) or await sessions.find(id)):
            self.note_refusal("use_token", "session_ended")
            raise _invalid_token()

    @property
    def quota_headers(self) -> list[HttpHeader]:
        """The headers that say what the caller has left of all limits that the request was charged to."""
        return headers_of(self._charged) if self._charged else []

    async def charge(self, limits: Sequence[LimitName], cost: int = 1) -> None:
        """Charge the request to the caller's buckets of these limits. Only what is authenticated is charged to a user.

        Raises:
            RateLimited: one of them has too little left.
            TooManyAtOnce: one of them never lets so many through.
        """
        user_id = self.identity.user_id if self.identity else None
        self._admit(await self.deps.limits.take(limits, user_id, cost), self._charged)

    async def give_back(self, limit: LimitName, cost: int) -> None:
        """Give back what the request was charged to a limit."""
        await self.deps.limits.give_back(limit, self.identity.user_id if self.identity else None, cost)

    async def charge_user(self, user_id: UUID) -> None:
        """Charge the request to the user whom its refresh token names, and no more to their network.

        Raises:
            RateLimited: the user has sent too many.
        """
        self._admit(await self.deps.limits.move("anonymous", str(user_id)))

    def _admit(self, decision: Decision, earlier: tuple[BucketState, ...] = ()) -> None:
        self._charged = (*earlier, *decision.states)
        if decision.admitted:
            return
        if any(state.costs_too_much for state in decision.states):
            most = min(state.quota.count for state in decision.states)
            raise TooManyAtOnce(f"At most {most} are let through at once; send fewer in one request.")
        raise RateLimited(words_of(decision), decision.retry_after)

    def require_csrf(self, session_id: UUID) -> None:
        """Refuse a request without the CSRF token of its session.

        Raises:
            CsrfRefused
        """
        header, cookie = self.header(CSRF_HEADER) or "", self.cookie(CSRF_COOKIE) or ""
        if not self.deps.csrf.fits(session_id, header, cookie):
            raise CsrfRefused(f"Send the value of the cookie {CSRF_COOKIE} as X-CSRF-Token, too.")

    def _token(self) -> tuple[SessionMode, str]:
        """Return the access token of the request, and how it came.

        Raises:
            Unauthenticated: there is none.
            Malformed: there are two.
        """
        given, cookie = self.header(b"authorization"), None
        if b"cookie" in self.headers:
            cookie = self.cookie(ACCESS_COOKIE)
        if cookie is not None and given is not None:
            raise Malformed("Send the access token in Authorization or in a cookie, not in both.")
        if cookie is not None:
            return "cookie", cookie
        kind, _, token = (given or "").partition(" ")
        if kind.lower() != "bearer":
            raise Unauthenticated("Send an access token: `Authorization: Bearer TOKEN`, or log in.", CHALLENGE)
        return "bearer", token.strip()


def traceparent_of(header: bytes) -> str | None:
    """Return a valid `traceparent` header (W3C Trace Context), reduced to the fields of version 00; else None."""
    found = TRACEPARENT.match(header)
    return "00" + found[0].decode()[2:] if found else None


def context_of(request: Request) -> RequestContext:
    """Return the context of a request."""
    context: RequestContext = request.scope[CONTEXT]
    return context


def deps_of(request: Request) -> Deps:
    """Return the dependencies, for routes that send no command and run no query."""
    return context_of(request).deps


Dependencies = Annotated[Deps, Depends(deps_of)]


def _invalid_token(detail: str = INVALID) -> Unauthenticated:
    return Unauthenticated(detail, _challenge("invalid_token"))


def _challenge(error: str) -> dict[str, str]:
    """Return the challenge with an error (RFC 6750, 3)."""
    return {"WWW-Authenticate": f'{CHALLENGE["WWW-Authenticate"]}, error="{error}"'}
