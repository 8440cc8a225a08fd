"""Routes that FastAPI describes, and that run without its detours.

FastAPI reads the signature, finds the route and writes the OpenAPI schema. The handler here authenticates before it
reads anything, stops a body that grows too large while it comes in, and hands its bytes to pydantic as they are.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from adapters.http.exchange import Exchange
from adapters.http.problems import Fault, Malformed, NotJson, NotValid, TooLarge, faults


class Route(APIRoute):
    """Takes path parameters, one query model, one body model, and dependencies made of the request alone.

    The first sentence of a docstring is the summary, the rest the description. Where the operation names a scope
    (`security` in its OpenAPI), a token with that scope is wanted.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        summary, _, description = (inspect.getdoc(endpoint) or "").partition(". ")
        about = {"operation_id": endpoint.__name__, "summary": summary.rstrip("."), "description": description}
        super().__init__(path, endpoint, **{**more, **about})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What runs for each request. Raises the `HttpError` that fits."""
        dependant, endpoint, template, status = self.dependant, self.endpoint, self.path, self.status_code or 200
        scope = _scope(self.openapi_extra or {})
        makers = {str(each.name): each.call for each in dependant.dependencies}
        path = _adapters(dependant.path_params)
        query = _adapters(dependant.query_params)
        body = _adapters(dependant.body_params)

        async def handle(request: Request) -> Response:
            exchange: Exchange = request.scope["exchange"]
            exchange.route, exchange.status = template, status
            if scope is not None:
                exchange.authenticate(scope)
            given: dict[str, Any] = {name: maker(request) for name, maker in makers.items() if maker is not None}
            errors: list[Fault] = []
            for name, adapter in path.items():
                given[name] = _checked("path", (name,), adapter.validate_python, request.path_params[name], errors)
            exchange.path = None if errors else request.scope["path"]
            for name, adapter in query.items():
                given[name] = _checked("query", (), adapter.validate_python, dict(request.query_params), errors)
            for name, adapter in body.items():
                given[name] = _checked("body", (), adapter.validate_json, await _body(request, exchange), errors)
            if errors:
                raise NotValid(errors)
            response: Response = await endpoint(**given)
            return response

        return handle


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


async def _body(request: Request, exchange: Exchange) -> bytes:
    """The body, if it is JSON and no larger than the limit; of a larger one, no more than the limit is read."""
    limit = exchange.deps.max_body_bytes
    declared = exchange.header(b"content-length")
    if declared is not None and declared.isdecimal() and int(declared) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    kind = (exchange.header(b"content-type") or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise NotJson("Send the body as application/json.")
    chunks = []
    async for chunk in request.stream():
        chunks.append(chunk)
        limit -= len(chunk)
        if limit < 0:
            raise TooLarge(f"The body is larger than {exchange.deps.max_body_bytes} bytes.")
    return b"".join(chunks)
