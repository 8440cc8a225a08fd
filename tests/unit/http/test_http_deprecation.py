"""The end of an operation: declared once, then in all its responses and in OpenAPI."""

from datetime import UTC, datetime
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Query

from adapters.http.api.deprecation import Deprecation
from adapters.http.api.openapi import operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import PageQuery
from domain.access import ACCOUNT
from tests.support.http import HttpApi

SINCE, END = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 6, 1, 8, 30, tzinfo=UTC)
OLD = Deprecation(SINCE, END, "https://api.test/guide")
router = Router("/v1/old")


@router.get("", response_model=bool, **operation("It.", access=ACCOUNT.action("read"), deprecated=OLD))
async def get_old(listed: Annotated[PageQuery, Query()]) -> Answer:
    """Get what is old."""
    return Answer(b"true")


@pytest.fixture
def old(api: HttpApi) -> HttpApi:
    """The API with one more route, which is deprecated."""
    api.app.router.routes.extend(router.routes)
    return api


def said(answer: httpx2.Response) -> list[str | None]:
    return [answer.headers.get(name) for name in ("Deprecation", "Sunset", "Link")]


ALL = ["@1796083200", "Tue, 01 Jun 2027 08:30:00 GMT", '<https://api.test/guide>; rel="deprecation"; type="text/html"']


async def test_http_says_in_each_response_when_an_operation_ends(old: HttpApi) -> None:
    _, token = await old.account()
    for query, headers, status in (("", token, 200), ("?limit=x", token, 422), ("", {}, 401)):
        answer = await old.client.get(f"/v1/old{query}", headers=headers)
        assert (answer.status_code, said(answer)) == (status, ALL)
    for path in ("/v1/users/me", "/v1/older"):
        assert said(await old.client.get(path, headers=token)) == [None, None, None]


async def test_the_description_marks_an_operation_that_ends(old: HttpApi) -> None:
    described: dict[str, Any] = old.app.openapi()["paths"]["/v1/old"]["get"]
    assert described["deprecated"] is True
    assert {"Deprecation", "Sunset"} <= described["responses"]["200"]["headers"].keys()
    assert not [name for name in described if name.startswith("x-dep")]


def test_no_operation_ends_before_it_is_deprecated() -> None:
    with pytest.raises(ValueError, match="ends after it is deprecated"):
        Deprecation(END, SINCE, "https://api.test/guide")
