"""Request context: the state of one request while it is handled. Only this module assigns to it."""

import re
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from adapters.http.api.deps import Deps
from adapters.http.api.problems import CHALLENGE, InsufficientScope, Unauthenticated
from adapters.http.api.tokens import BadToken, Identity
from application.ports import CommandContext, Precondition

TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?=-|$)")

CONTEXT = "palimpsest.context"
"""The key of the context in the ASGI scope."""


class RequestContext:
    """One request: its headers, its route once that is known, and its caller once authenticated.

    `status` is the route's status on success. `path` is None until its parameters are valid, and where a parameter may
    be any text: such a path may contain personal data, and must not be logged.
    """

    __slots__ = ("deps", "headers", "identity", "path", "request_id", "route", "status")

    def __init__(self, deps: Deps, headers: Mapping[bytes, bytes], request_id: UUID) -> None:
        self.deps = deps
        self.headers = headers
        self.request_id = request_id
        self.identity: Identity | None = None
        self.route = "unknown"
        self.path: str | None = None
        self.status = 200

    def header(self, name: bytes) -> str | None:
        """Return a request header by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    @property
    def traceparent(self) -> str | None:
        """Return the caller's position in its trace."""
        return traceparent_of(self.headers.get(b"traceparent", b""))

    def call(self, key: str | None = None, precondition: Precondition | None = None) -> CommandContext:
        """Return the metadata of a command of this request. `key`: its Idempotency-Key."""
        return CommandContext(
            self.identity.actor if self.identity else None,
            self.request_id,
            idempotency_key=key,
            traceparent=self.traceparent,
            precondition=precondition,
        )

    def matched(self, route: str, status: int) -> None:
        """Set the route's template, and its status on success."""
        self.route, self.status = route, status

    def validated(self, path: str) -> None:
        """Set the path, once its parameters are valid."""
        self.path = path

    def authenticate(self, scope: str) -> None:
        """Identify the caller.

        Raises:
            Unauthenticated: the token is missing or invalid.
            InsufficientScope: the token lacks `scope`.
        """
        kind, _, token = (self.header(b"authorization") or "").partition(" ")
        if kind.lower() != "bearer":
            raise Unauthenticated("Send an access token: `Authorization: Bearer TOKEN`.", CHALLENGE)
        try:
            self.identity = self.deps.tokens.identify(token.strip())
        except BadToken:
            detail = "The access token is invalid or expired; log in again."
            raise Unauthenticated(detail, _challenge("invalid_token")) from None
        if scope not in self.identity.scopes:
            raise InsufficientScope(
                f"This requires an access token with the scope {scope}.", _challenge("insufficient_scope")
            )


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


def _challenge(error: str) -> dict[str, str]:
    """Return the challenge with an error (RFC 6750, 3)."""
    return {"WWW-Authenticate": f'{CHALLENGE["WWW-Authenticate"]}, error="{error}"'}
