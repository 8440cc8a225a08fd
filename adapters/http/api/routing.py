"""Routes that FastAPI describes, and that run without its detours.

FastAPI reads the signature, finds the route and writes the OpenAPI schema. The handler here authenticates before it
reads anything, stops a body that grows too large while it comes in, and hands its bytes to pydantic as they are.
"""

import asyncio
import inspect
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.http.api.context import RequestContext, context_of
from adapters.http.api.problems import SHOWN, Fault, Malformed, NotJson, NotValid, TooLarge, TooSlow, faults, pointer

BODY_SECONDS = 60.0
"""Whoever takes longer to send a body would hold on to a request for as long as they like."""


class ApiRoute(APIRoute):
    """Takes path parameters, one query model, one body model, and dependencies made of the request alone.

    A query that is not asked for is refused, and so is what comes twice in a query or a body.
    The first sentence of a docstring is the summary, the rest the description. Where the operation names a scope
    (`security` in its OpenAPI), a token with that scope is wanted.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        summary, _, description = (inspect.getdoc(endpoint) or "").partition(". ")
        about = {"operation_id": endpoint.__name__, "summary": summary.rstrip("."), "description": description}
        super().__init__(path, endpoint, **{**more, **about})
        self.app = _answering(self.get_route_handler())

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What runs for each request. Raises the `HttpError` that fits."""
        endpoint, template, status = self.endpoint, self.path, self.status_code or 200
        scope = _scope(self.openapi_extra or {})
        arguments = _Arguments(self.dependant)

        async def handle(request: Request) -> Response:
            context = context_of(request)
            context.matched(template, status)
            if scope is not None:
                context.authenticate(scope)
            response: Response = await endpoint(**await arguments.read(request, context))
            return response

        return handle


def _answering(handle: Callable[[Request], Coroutine[Any, Any, Response]]) -> ASGIApp:
    """Errors go on to those who answer to them; there is nothing to close."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await handle(Request(scope, receive, send))
        await response(scope, receive, send)

    return app


class _Arguments:
    """What an endpoint is called with."""

    def __init__(self, dependant: Dependant) -> None:
        self._makers = {str(each.name): each.call for each in dependant.dependencies if each.call is not None}
        self._path = _adapters(dependant.path_params)
        self._query = _adapters(dependant.query_params)
        self._body = _adapters(dependant.body_params)

    async def read(self, request: Request, context: RequestContext) -> dict[str, Any]:
        """All of it, by name; tells all that is wrong at once."""
        given: dict[str, Any] = {name: maker(request) for name, maker in self._makers.items()}
        errors: list[Fault] = []
        for name, adapter in self._path.items():
            given[name] = _checked("path", (name,), adapter.validate_python, request.path_params[name], errors)
        if not errors:
            context.validated(request.scope["path"])
        if self._query or request.scope["query_string"]:
            given |= self._queried(request, errors)
        for name, adapter in self._body.items():
            body = await _body(request, context)
            given[name] = _checked("body", (), adapter.validate_json, body, errors)
            if not errors:
                _refuse_ambiguous(body)
        if errors:
            raise NotValid(errors)
        return given

    def _queried(self, request: Request, errors: list[Fault]) -> dict[str, Any]:
        items = request.query_params.multi_items()
        query = dict(items)
        if len(query) < len(items):
            errors += _repeated([name for name, _ in items])
        if not self._query:
            _checked("query", (), NOTHING.validate_python, query, errors)
        return {
            name: _checked("query", (), adapter.validate_python, query, errors) for name, adapter in self._query.items()
        }


class _Nothing(BaseModel):
    """The query of a route that takes none."""

    model_config = ConfigDict(extra="forbid")


NOTHING = TypeAdapter(_Nothing)


def _adapters(fields: Sequence[Any]) -> dict[str, TypeAdapter[Any]]:
    kinds: dict[str, Any] = {field.name: Annotated[field.field_info.annotation, field.field_info] for field in fields}
    return {name: TypeAdapter(kind) for name, kind in kinds.items()}


def _scope(operation: Mapping[str, Any]) -> str | None:
    security = operation.get("security")
    return security[0]["token"][0] if security else None


def _checked(
    place: str, within: tuple[str, ...], validate: Callable[[Any], Any], value: object, errors: list[Fault]
) -> Any:
    """The value as the schema has it; None where it breaks it, and then `errors` grow."""
    try:
        return validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        if details[0]["type"] == "json_invalid":
            raise Malformed("The body is not JSON (RFC 8259) in UTF-8.") from None
        errors += faults(place, within, details)
        return None


def _repeated(names: Sequence[str]) -> list[Fault]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    return [Fault("query", pointer([name]), "repeated", "Input should be given once") for name in repeated[:SHOWN]]


def _once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        raise Malformed("The body gives a member of an object twice; which one counts is not defined (RFC 8259, 4).")
    return found


JSON = json.JSONDecoder(object_pairs_hook=_once)


def _refuse_ambiguous(body: bytes) -> None:
    """Raise `Malformed` where one reader would see another thing than the next. pydantic takes the last of the two."""
    JSON.decode(body.decode())


async def _body(request: Request, context: RequestContext) -> bytes:
    """The body, if it is JSON, in time and no larger than the limit; of a larger one, no more than that is read."""
    limit = context.deps.max_body_bytes
    declared = context.header(b"content-length")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    kind = (context.header(b"content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise NotJson("Send the body as application/json.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(request, limit)
    except TimeoutError:
        raise TooSlow(f"The body was not in after {BODY_SECONDS:.0f} seconds.", {"Connection": "close"}) from None


async def _read(request: Request, limit: int) -> bytes:
    chunks = []
    size = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        more = message.get("more_body", False)
    return b"".join(chunks)
