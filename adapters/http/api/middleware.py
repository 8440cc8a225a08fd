"""Middleware of every request: its id, security headers, log line, metrics, and the response to unexpected errors."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from uuid import UUID

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.client_network import client_network, network_of
from adapters.http.api.context import CONTEXT, RequestContext
from adapters.http.api.deps import Deps
from adapters.http.api.fields import by_name, refuse_doubtful
from adapters.http.api.problems import HttpError, of_http_error, unexpected
from adapters.http.api.responses import HttpHeader

SECURITY_HEADERS: list[tuple[bytes, bytes]] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
STRICT_TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""Sent where clients use https (RFC 6797, 7.2)."""

DEFAULT_HEADERS: list[tuple[bytes, bytes]] = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
"""Added where the response has no such header."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
CLIENT_DISCONNECTED = 499
"""The status that is logged when the client disconnects before the response."""

RESPONSE = "palimpsest.response"
"""The key of the response in the ASGI scope."""

log = structlog.get_logger("http")


class RequestMiddleware:
    """Wraps everything else; pure ASGI."""

    def __init__(self, app: ASGIApp, deps: Deps) -> None:
        self._app = app
        self._deps = deps
        self._headers = [*SECURITY_HEADERS, STRICT_TRANSPORT_SECURITY] if deps.https else SECURITY_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = by_name(scope["headers"])
        address = scope["client"][0] if scope.get("client") else ""
        context = RequestContext(self._deps, headers, self._deps.new_id(), address)
        request_id = str(context.request_id)
        response = _Response(send, context, [(b"x-request-id", request_id.encode()), *self._headers])
        client_network.set(network_of(address))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, **_of_caller(headers, context.traceparent))
        started = perf_counter()
        # HEAD is GET whose body the server leaves out (RFC 9110, 9.3.2).
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            own = {"method": method, CONTEXT: context, RESPONSE: response, "bodiless": scope["method"] == "HEAD"}
            await self._app({**scope, **own}, receive, response)
        except ClientDisconnect:
            pass  # recorded below
        finally:
            self._record(scope["method"], context, response.status or CLIENT_DISCONNECTED, perf_counter() - started)

    def _record(self, method: str, context: RequestContext, status: int, seconds: float) -> None:
        known = method if method in METHODS else "OTHER"
        user_id = context.identity.user_id if context.identity else None
        self._deps.observe(known, context.route, context.path, status, seconds, user_id)


class ServerErrorMiddleware:
    """Answers unexpected errors. Inside of the CORS middleware, so that browsers may read the response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request failed")
            if scope[RESPONSE].status:
                raise
            await unexpected(scope[CONTEXT].request_id)(scope, receive, send)


class FieldsMiddleware:
    """Refuses requests whose header fields are doubtful."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            try:
                refuse_doubtful(scope["headers"], scope[CONTEXT].headers, scope["http_version"])
            except HttpError as error:
                await of_http_error(Request(scope), error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Response:
    """Adds the headers that every response has, and keeps its status (0: not sent yet)."""

    __slots__ = ("_context", "_headers", "_send", "status")

    def __init__(self, send: Send, context: RequestContext, headers: Sequence[HttpHeader]) -> None:
        self._send = send
        self._context = context
        self._headers = headers
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = {name for name, _ in message["headers"]}
            defaults = [header for header in DEFAULT_HEADERS if header[0] not in given]
            context = self._context
            more = [*self._headers, *context.route_headers, *context.quota_headers, *defaults]
            message["headers"] = [*message["headers"], *more]
        await self._send(message)


def _of_caller(headers: Mapping[bytes, bytes], traceparent: str | None) -> dict[str, str]:
    """Return the caller's own ids for the log: of its trace, and of the request if it is a UUID.

    They identify nothing of ours: a caller may repeat them, or send those of others.
    """
    found = {} if traceparent is None else {"trace_id": traceparent.split("-")[1]}
    with suppress(KeyError, ValueError):
        found["client_request_id"] = str(UUID(headers[b"x-request-id"].decode()))
    return found
