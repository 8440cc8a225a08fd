"""Routes: authenticate, read the arguments, call the endpoint, send its response.

FastAPI parses the signature and writes the OpenAPI schema; `framework.py` says how the rest of it is left out. A route
authenticates before it reads anything, stops reading a body that grows too large, and hands its bytes to pydantic as
they are.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from adapters.http.api.arguments import Arguments
from adapters.http.api.conditions import refuse_conditions, refused_conditions
from adapters.http.api.context import RequestContext, context_of
from adapters.http.api.framework import BareRoute, parameters_of
from adapters.http.api.limits import LimitName
from adapters.http.api.problems import HttpError
from adapters.http.api.responses import HttpHeader

LIMITS = "x-limits"
"""Where an operation names its limits, until it is described."""


DEPRECATION = "x-deprecation"
"""Where an operation whose end is known has its headers, until it is described."""


class ApiRoute(BareRoute):
    """A route with path parameters, one query model, one body, and dependencies made from the request alone.

    The body has one model, or a union of models with different media types.

    The first sentence of the endpoint's docstring is the summary in OpenAPI, the rest the description. Where the
    operation names a scope (`security` in its OpenAPI), the caller needs a token with that scope. Where the token comes
    in a cookie, all methods but GET (which serves HEAD, too) need a CSRF token.

    Each request is charged: with a scope to the limit of its user, else to that of its network. An operation can name
    other limits.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        summary, _, description = (inspect.getdoc(endpoint) or "").partition(". ")
        about = {"operation_id": endpoint.__name__, "summary": summary.rstrip("."), "description": description}
        super().__init__(path, endpoint, **{**more, **about})
        parameters = parameters_of(self)
        self.bodies = [model for models in parameters.body.values() for model in models]
        self._arguments = Arguments(parameters)
        self._scope = _scope_of(self.openapi_extra or {})
        self.limits = limits_of(self.openapi_extra or {})
        self._headers: tuple[HttpHeader, ...] = (self.openapi_extra or {}).get(DEPRECATION, ())
        self._changes = "GET" not in (self.methods or ())
        checks_tags = _takes(self.openapi_extra or {}, "If-Match")
        self._refused = refused_conditions(self.methods or (), checks_tags=checks_tags)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            HttpError: the request is refused.
            RateLimited: the caller has sent too many.
        """
        request = Request(scope, receive, send)
        context = context_of(request)
        context.matched(self.path, self.status_code or 200, self._headers)
        if self._scope is not None:
            await self._authenticate(context, self._scope)
        if self.limits:
            await context.charge(self.limits)
        refuse_conditions(context, self._refused)
        arguments = await self._arguments.read(request, context)
        if self._scope is not None and self.bodies:
            # A body may take a minute, in which the session may have ended.
            await context.require_session()
        response: Response = await self.endpoint(**arguments)
        if not self._changes:
            await context.deps.compressor.apply(response, context)
        await response(scope, receive, send)

    async def _authenticate(self, context: RequestContext, scope: str) -> None:
        try:
            await context.authenticate(scope, changes=self._changes)
        except HttpError:
            # Also what is refused is bounded: it costs a signature, a query, an entry in the security log.
            await context.charge(["anonymous"])
            raise


def _takes(operation: Mapping[str, Any], header: str) -> bool:
    """Return whether an operation takes a request header."""
    return any(each.get("$ref", "").endswith(f"/{header}") for each in operation.get("parameters", ()))


def _scope_of(operation: Mapping[str, Any]) -> str | None:
    security = operation.get("security")
    return security[0]["token"][0] if security else None


def limits_of(operation: Mapping[str, Any]) -> tuple[LimitName, ...]:
    """Return the limits that requests for an operation are charged to."""
    default: LimitName = "anonymous" if _scope_of(operation) is None else "user"
    return cast(tuple[LimitName, ...], operation.get(LIMITS, (default,)))
