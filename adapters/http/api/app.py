"""The HTTP API, put together."""

from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from adapters.http.api import openapi, problems
from adapters.http.api.deps import Deps
from adapters.http.api.middleware import RequestMiddleware, ServerErrorMiddleware
from adapters.http.billing import subscription
from adapters.http.content import document, share
from adapters.http.identity import user
from adapters.http.service import docs, events, health
from adapters.http.teams import membership, team
from application.ports import NotSettled, Unavailable
from domain.kernel import Refusal


class Api(FastAPI):
    """FastAPI without the middleware that it wraps around each request.

    `ServerErrorMiddleware` answers errors; `ApiRoute` limits bodies, keeps no files open and has no dependencies to
    close. Takes no other routes.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """From the router outwards."""
        app: ASGIApp = ExceptionMiddleware(self.router, self.exception_handlers)
        for outer, args, kwargs in reversed(self.user_middleware):
            app = outer(app, *args, **kwargs)
        return app


def create_app(deps: Deps) -> FastAPI:
    """The app. Everything it needs comes with `deps`, ready to use."""
    # Requests are timed, logged and traced at the edge; FastAPI's own telemetry would do it again.
    silent: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    app = Api(openapi_url=None, redirect_slashes=False, telemetry=silent, **ABOUT)
    # Flat, and the busiest first: routes are tried one after the other.
    for part in (document, user, team, subscription, share, membership, events, health, docs):
        app.router.routes.extend(part.router.routes)
    app.openapi = lambda: openapi.describe(app)  # type: ignore[method-assign]
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    # The last one added is the outermost.
    app.add_middleware(ServerErrorMiddleware)
    if deps.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=deps.cors_origins, **CORS)
    app.add_middleware(RequestMiddleware, deps=deps)
    return app


CORS: dict[str, Any] = {
    "allow_methods": ("GET", "HEAD", "POST", "PUT", "DELETE"),
    "allow_headers": ("Authorization", "Content-Type", "X-Request-Id", "Traceparent", *openapi.PARAMETERS),
    "expose_headers": list(openapi.HEADERS),
    "max_age": 600,
}

HANDLERS: dict[type[Exception], Any] = {
    Refusal: problems.of_refusal,
    problems.HttpError: problems.of_http_error,
    NotSettled: problems.of_not_settled,
    Unavailable: problems.of_unavailable,
    HTTPException: problems.of_starlette,
}

TAGS = [
    {"name": "accounts", "description": "Register, log in, and the account of whoever asks."},
    {"name": "documents", "description": "Texts with a history that forgets nothing, and a trash."},
    {"name": "subscription", "description": "The plan, and what is left of its quota."},
    {"name": "teams", "description": "People who work together."},
    {"name": "events", "description": "What happens, as it happens; `/v1/events/catalogue` lists what there is."},
    {"name": "service", "description": "Whether we are up, and our public keys."},
]

DESCRIPTION = """\
Every change is an event that can be replayed, proved and, where the law says so, forgotten.

- **Repeat safely**: send an `Idempotency-Key` with a write; a repeat is carried out once and answered alike.
- **Overwrite nothing**: send the `ETag` you have read as `If-Match`; 412 says that somebody was faster.
- **Read what you wrote**: send the `Consistency-Token` of a write along with your reads.
- **Errors** are problem details (RFC 9457); `code` is stable, `detail` says what to do.
"""

ABOUT: dict[str, Any] = {"title": "Palimpsest", "version": "1", "description": DESCRIPTION, "openapi_tags": TAGS}
