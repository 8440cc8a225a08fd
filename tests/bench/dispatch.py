"""Dispatch: the time to find one of 300 routes, the first, the last and a missing one, beside Starlette's router."""

import asyncio
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from adapters.http.api.dispatch import Dispatcher
from adapters.http.api.problems import Missing
from tests.bench.harness import Bench, Row, told

ROUTES = 300
ID = "0198f1c2-7b3a-7c4d-9e5f-0a1b2c3d4e5f"
PATHS = {
    "the first": f"/v1/things_0/{ID}/parts",
    "the last": f"/v1/things_{ROUTES - 1}/{ID}/parts",
    "a missing one": f"/v1/nothing/{ID}/parts",
}


def rows(bench: Bench) -> Iterator[Row]:
    """Three paths; figures are microseconds a request, without the endpoint."""
    routes = dummies()
    router = Router(routes, redirect_slashes=False)
    dispatcher = Dispatcher(routes, otherwise=router)
    number = bench.count(5_000)
    for name, path in PATHS.items():
        ours, peer = bench.in_turns(partial(_time, dispatcher, path, number), partial(_time, router, path, number))
        yield told(f"dispatch, {ROUTES} routes: {name}", "µs", median(ours), median(peer))


def dummies() -> list[BaseRoute]:
    """Routes that answer nothing."""
    return [_dummy(f"/v1/things_{n}/{{thing_id}}/parts") for n in range(ROUTES)]


def _dummy(path: str) -> Route:
    route = Route(path, _nothing, methods=["GET"])
    route.app = _nothing
    return route


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing."""


async def _receive() -> MutableMapping[str, Any]:
    return {}


async def _send(message: MutableMapping[str, Any]) -> None: ...


def _time(app: ASGIApp, path: str, number: int) -> float:
    return asyncio.run(_drive(app, path, number)) / number * 1e6


async def _drive(app: ASGIApp, path: str, number: int) -> float:
    started = perf_counter()
    for _ in range(number):
        with suppress(HTTPException, Missing):
            await app({"type": "http", "method": "GET", "path": path, "app": None}, _receive, _send)
    return perf_counter() - started
