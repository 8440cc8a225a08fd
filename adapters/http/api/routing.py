"""Routes: authenticate, read the arguments, call the endpoint, send its response.

FastAPI parses the signature and writes the OpenAPI schema; `framework.py` says how the rest of it is left out. A route
authenticates before it reads anything, stops reading a body that grows too large, and hands its bytes to pydantic as
they are.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from adapters.http.api.arguments import Arguments
from adapters.http.api.conditions import refuse_conditions, refused_conditions
from adapters.http.api.context import context_of
from adapters.http.api.framework import BareRoute, parameters_of


class ApiRoute(BareRoute):
    """A route with path parameters, one query model, one body model, and dependencies made from the request alone.

    The first sentence of the endpoint's docstring is the summary in OpenAPI, the rest the description. Where the
    operation names a scope (`security` in its OpenAPI), the caller needs a token with that scope.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        summary, _, description = (inspect.getdoc(endpoint) or "").partition(". ")
        about = {"operation_id": endpoint.__name__, "summary": summary.rstrip("."), "description": description}
        super().__init__(path, endpoint, **{**more, **about})
        self._arguments = Arguments(parameters_of(self))
        self._scope = _scope_of(self.openapi_extra or {})
        checks_tags = _takes(self.openapi_extra or {}, "If-Match")
        self._refused = refused_conditions(self.methods or (), checks_tags=checks_tags)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            HttpError: the request is refused.
        """
        request = Request(scope, receive, send)
        context = context_of(request)
        context.matched(self.path, self.status_code or 200)
        if self._scope is not None:
            context.authenticate(self._scope)
        refuse_conditions(context, self._refused)
        response: Response = await self.endpoint(**await self._arguments.read(request, context))
        await response(scope, receive, send)


def _takes(operation: Mapping[str, Any], header: str) -> bool:
    """Return whether an operation takes a request header."""
    return any(each.get("$ref", "").endswith(f"/{header}") for each in operation.get("parameters", ()))


def _scope_of(operation: Mapping[str, Any]) -> str | None:
    security = operation.get("security")
    return security[0]["token"][0] if security else None
