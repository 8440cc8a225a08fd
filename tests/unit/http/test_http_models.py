"""The list of models over HTTP."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from adapters.http.service.models import view_of
from adapters.provider.catalogue import Catalogue
from tests.support.http import HttpApi, open_http_api
from tests.support.provider import CATALOGUE

ADA = UUID(int=1)


@pytest_asyncio.fixture
async def api() -> AsyncIterator[HttpApi]:
    async with open_http_api() as opened:
        yield opened


async def test_models_are_listed_with_prices_and_the_default(api: HttpApi) -> None:
    answer = await api.client.get("/v1/models", headers=api.token(ADA))
    assert answer.status_code == 200
    listed = answer.json()
    assert listed["default"] == "talker"
    assert [each["name"] for each in listed["models"]] == ["talker", "responder", "small-talker"]
    assert listed["models"][0] == {
        "name": "talker",
        "input_price": 400_000,
        "output_price": 1_600_000,
        "batch_input_price": 200_000,
        "batch_output_price": 800_000,
        "context_window": 100_000,
        "max_output_tokens": 10_000,
        "capabilities": ["temperature"],
        "fallbacks": ["small-talker"],
    }


async def test_the_list_is_not_sent_again_while_it_is_the_same(api: HttpApi) -> None:
    first = await api.client.get("/v1/models", headers=api.token(ADA))
    again = await api.client.get("/v1/models", headers={**api.token(ADA), "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert view_of(CATALOGUE).etag != view_of(Catalogue.read()).etag


async def test_the_list_takes_a_token(api: HttpApi) -> None:
    assert (await api.client.get("/v1/models")).status_code == 401
