"""Requests without a query share their arguments, which are validated once."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
from fastapi import Request
from pydantic import BaseModel, TypeAdapter, ValidationError

from adapters.http.api.app import create_app
from adapters.http.api.arguments import Arguments
from adapters.http.api.context import RequestContext
from adapters.http.api.deps import Deps
from adapters.http.api.framework import Parameters, parameters_of
from adapters.http.api.routing import ApiRoute
from adapters.http.api.schemas import PageQuery
from tests.support.http import HttpApi

APP = create_app(cast(Deps, SimpleNamespace(cors_origins=())))
DOCUMENTS = "/v1/documents"


def shared() -> Iterator[object]:
    """What such requests share, of all routes."""
    for route in APP.router.routes:
        if isinstance(route, ApiRoute):
            for adapter in parameters_of(route).query.values():
                try:
                    yield adapter.validate_python({})
                except ValidationError:
                    continue  # it needs a query


def test_no_request_can_change_what_others_share() -> None:
    found = list(shared())
    assert sum(isinstance(value, BaseModel) for value in found) > 20
    for value in found:
        assert isinstance(hash(value), int), value


async def test_a_request_without_a_query_gets_nothing_of_the_query_of_another() -> None:
    arguments = Arguments(Parameters({}, {}, {"listed": TypeAdapter(PageQuery)}, {}))
    context = cast(RequestContext, SimpleNamespace(validated=lambda path: None))

    async def limit(query: bytes) -> int:
        request = Request({"type": "http", "path": "/", "query_string": query})
        return int((await arguments.read(request, context))["listed"].limit)

    default = PageQuery().limit
    assert [await limit(query) for query in (b"", b"limit=1", b"", b"limit=2", b"")] == [
        default,
        1,
        default,
        2,
        default,
    ]


@pytest.mark.parametrize("query", ["?river=1", "?limit=1&limit=1", "?limit=0"])
async def test_a_wrong_query_is_refused_after_requests_without_one(api: HttpApi, query: str) -> None:
    _, token = await api.account()
    assert (await api.client.get(DOCUMENTS, headers=token)).status_code == 200
    assert (await api.client.get(f"{DOCUMENTS}{query}", headers=token)).status_code == 422
