"""Arguments of an endpoint, read from a request and validated; all faults of a request are reported at once."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from adapters.http.api.body import JsonBody, body_for
from adapters.http.api.context import RequestContext
from adapters.http.api.framework import Parameters
from adapters.http.api.problems import MAX_FAULTS, Fault, NotValid, faults, pointer


class Arguments:
    """Reads the arguments of one endpoint."""

    def __init__(self, parameters: Parameters) -> None:
        self._dependencies = parameters.dependencies
        self._path = parameters.path
        self._query = parameters.query
        self._without_query = _without_query(parameters.query)
        self._bodies = {name: [JsonBody(model) for model in models] for name, models in parameters.body.items()}
        self._has_free_text = any(_is_free_text(adapter) for adapter in parameters.path.values())

    async def read(self, request: Request, context: RequestContext) -> dict[str, Any]:
        """Return the arguments by name. Unknown and repeated query parameters are refused.

        Raises:
            NotValid: some of them break the schema.
            HttpError: the body cannot be read.
        """
        given: dict[str, Any] = {name: make(request) for name, make in self._dependencies.items()}
        errors: list[Fault] = []
        for name, adapter in self._path.items():
            given[name] = _checked("path", (name,), adapter.validate_python, request.path_params[name], errors)
        if not errors and not self._has_free_text:
            context.validated(request.scope["path"])
        if self._without_query is None or request.scope["query_string"]:
            given |= self._queried(request, errors)
        else:
            given |= self._without_query
        for name, bodies in self._bodies.items():
            body = body_for(bodies, context)
            content = await body.read(request, context)
            given[name] = _checked("body", (), body.validate, content, errors)
        if errors:
            raise NotValid(errors)
        return given

    def _queried(self, request: Request, errors: list[Fault]) -> dict[str, Any]:
        items = request.query_params.multi_items()
        query = dict(items)
        if len(query) < len(items):
            errors += _repeated([name for name, _ in items])
        if not self._query:
            _checked("query", (), NO_QUERY.validate_python, query, errors)
        return {
            name: _checked("query", (), adapter.validate_python, query, errors) for name, adapter in self._query.items()
        }


def _without_query(query: Mapping[str, TypeAdapter[Any]]) -> dict[str, Any] | None:
    """Return the arguments of requests without a query, which are the same for all; None: they need one."""
    try:
        return {name: adapter.validate_python({}) for name, adapter in query.items()}
    except ValidationError:
        return None


def _is_free_text(adapter: TypeAdapter[Any]) -> bool:
    """Return whether a parameter may be any text: it is neither a number nor in a form like that of a UUID."""
    schema = adapter.json_schema()
    return schema.get("type") == "string" and "format" not in schema


class _NoQuery(BaseModel):
    """The query of a route that takes none."""

    model_config = ConfigDict(extra="forbid")


NO_QUERY = TypeAdapter(_NoQuery)


def _checked(
    place: str, within: tuple[str, ...], validate: Callable[[Any], Any], value: object, errors: list[Fault]
) -> Any:
    """Return the value as the schema has it. A value that breaks the schema adds to `errors` and gives None."""
    try:
        return validate(value)
    except ValidationError as error:
        errors += faults(place, within, error)
        return None


def _repeated(names: Sequence[str]) -> list[Fault]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    return [Fault("query", pointer([name]), "repeated", "Input should be given once") for name in repeated[:MAX_FAULTS]]
