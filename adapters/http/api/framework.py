"""FastAPI, without what it does for each request. This file alone touches private parts of FastAPI.

pyproject.toml pins FastAPI to one version for that reason. Touched are:

- `FastAPI.build_middleware_stack`, replaced: no error page, telemetry, body limit and exit stack around each request;
- `FastAPI(telemetry=)` and `fastapi.telemetry.TelemetryConfig`: switched off;
- `FastAPI.router.routes`, filled without `include_router`, which would wrap each route;
- `APIRoute.app`, replaced after construction: FastAPI's own request handler never runs;
- `APIRoute.dependant` (`fastapi.dependencies.models.Dependant`) and `ModelField.field_info`: the parsed signature.

See decisions/0001-fastapi-without-its-handler.md.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from pydantic import TypeAdapter, WrapValidator
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.http.api.dispatch import Dispatcher
from adapters.http.api.schemas import Body, spelled_plainly

SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""`RequestMiddleware` times, logs and traces requests already."""


class Api(FastAPI):
    """An app with the routes given, which must be `BareRoute`s. `describe` makes its OpenAPI schema."""

    def __init__(
        self, routes: Iterable[BaseRoute], describe: Callable[[FastAPI], dict[str, Any]], **about: Any
    ) -> None:
        super().__init__(openapi_url=None, redirect_slashes=False, telemetry=SILENT, **about)
        self.router.routes.extend(routes)
        self._describe = describe

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI schema."""
        return self._describe(self)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the app that runs for each request, built from the inside out."""
        dispatcher = Dispatcher(self.router.routes, otherwise=self.router)
        app: ASGIApp = ExceptionMiddleware(dispatcher, self.exception_handlers)
        for outer, args, kwargs in reversed(self.user_middleware):
            app = outer(app, *args, **kwargs)
        return app


class BareRoute(APIRoute):
    """A route that FastAPI parses and describes, but that `serve` runs."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **more)
        self.app = self.serve

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of an endpoint by name, grouped by the place of their values. `body`: the kinds of bodies."""

    dependencies: dict[str, Callable[..., Any]]
    path: dict[str, TypeAdapter[Any]]
    query: dict[str, TypeAdapter[Any]]
    body: dict[str, tuple[type[Body], ...]]


def parameters_of(route: APIRoute) -> Parameters:
    """Return the parameters of a route's endpoint."""
    found = route.dependant
    return Parameters(
        {str(each.name): each.call for each in found.dependencies if each.call is not None},
        _adapters(found.path_params, WrapValidator(spelled_plainly)),
        _adapters(found.query_params),
        {field.name: _kinds(field.field_info.annotation) for field in found.body_params},
    )


def _kinds(annotation: Any) -> tuple[type[Body], ...]:
    """Return the models of a body: of a union, each of its types."""
    return get_args(annotation) or (annotation,)


def _adapters(fields: Sequence[Any], *more: WrapValidator) -> dict[str, TypeAdapter[Any]]:
    types: dict[str, Any] = {
        field.name: Annotated[field.field_info.annotation, field.field_info, *more] for field in fields
    }
    return {name: TypeAdapter(type) for name, type in types.items()}
