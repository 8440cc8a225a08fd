"""The HTTP API: routers, middleware and error handlers in one app."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware

from adapters.http.api import openapi, problems
from adapters.http.api.context import context_of
from adapters.http.api.deps import Deps
from adapters.http.api.framework import Api
from adapters.http.api.middleware import FieldsMiddleware, RequestMiddleware, ServerErrorMiddleware
from adapters.http.api.routers import find_routers, tags_of
from application.ports import NotSettled, Unavailable, Unreadable
from domain.kernel import Refusal


def create_app(deps: Deps) -> FastAPI:
    """Return the app. Everything it needs comes with `deps`, ready to use."""
    routers = find_routers()
    routes = [route for router in routers for route in router.routes]
    app = Api(routes, openapi.describe, openapi_tags=tags_of(routers), **ABOUT)
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, _on_loop(handler))
    # The last one added is the outermost.
    app.add_middleware(FieldsMiddleware)
    app.add_middleware(ServerErrorMiddleware)
    if deps.cors_origins:
        # Where any origin may call the API, none of them may do so with cookies.
        with_cookies = "*" not in deps.cors_origins
        app.add_middleware(CORSMiddleware, allow_origins=deps.cors_origins, allow_credentials=with_cookies, **CORS)
    app.add_middleware(RequestMiddleware, deps=deps)
    return app


def _on_loop(handler: Callable[[Request, Any], Response]) -> Callable[[Request, Any], Awaitable[Response]]:
    """Return an error handler that runs on the event loop. Starlette runs those that are no coroutines in a thread."""

    async def answer(request: Request, error: Any) -> Response:
        if (noted := problems.noted_refusal(error)) is not None:
            context_of(request).note_refusal(*noted)
        return handler(request, error)

    return answer


CORS: dict[str, Any] = {
    "allow_methods": ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
    "allow_headers": (
        "Authorization",
        "Content-Type",
        "X-CSRF-Token",
        "X-Request-Id",
        "Traceparent",
        *openapi.PARAMETERS,
    ),
    "expose_headers": list(openapi.HEADERS),
    "max_age": 600,
}

HANDLERS: dict[type[Exception], Callable[[Request, Any], Response]] = {
    Refusal: problems.of_refusal,
    problems.HttpError: problems.of_http_error,
    NotSettled: problems.of_not_settled,
    Unavailable: problems.of_unavailable,
    Unreadable: problems.of_unreadable,
}

DESCRIPTION = """\
Every change is an event that can be replayed, verified and, where the law requires it, forgotten.

- **Safe retries**: send an `Idempotency-Key` with a write; retries within a day are executed once and get the same
  response, as long as the caller may read it.
- **No lost updates**: send the `ETag` that you have read as `If-Match`; 412 means that the version has changed.
- **Read your writes**: send the `Consistency-Token` of a write with your reads.
- **Errors** are problem details (RFC 9457); `code` is stable, `detail` says what to do.
"""

ABOUT: dict[str, Any] = {"title": "Palimpsest", "version": "1", "description": DESCRIPTION}
