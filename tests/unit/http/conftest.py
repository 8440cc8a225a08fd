"""The HTTP service in memory, and the headers of an account in it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.http import HttpApi, open_http_api


@pytest_asyncio.fixture
async def api() -> AsyncIterator[HttpApi]:
    async with open_http_api() as opened:
        yield opened


@pytest_asyncio.fixture
async def token(api: HttpApi) -> dict[str, str]:
    return (await api.account())[1]
