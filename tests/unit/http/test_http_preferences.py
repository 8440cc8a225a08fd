"""Preferences of writes (RFC 7240): what answers a state answers without a body on request."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.http import HttpApi, openapi_schema

MINIMAL = {"Prefer": "return=minimal"}
STATES = ("DocumentView", "TeamSettings", "TeamView", "UserView")
"""Views with a tag."""


def writes() -> list[tuple[str, dict[str, Any]]]:
    """Method with path, and description, of each write that is done when it is answered."""
    return [
        (f"{method} {path}", about)
        for path, methods in openapi_schema()["paths"].items()
        for method, about in methods.items()
        if method != "get" and "202" not in about["responses"]
    ]


def test_each_write_that_answers_a_state_takes_the_preference() -> None:
    taken = {name for name, about in writes() if {"$ref": "#/components/parameters/Prefer"} in about["parameters"]}
    states = {
        name for name, about in writes() if any(f"schemas/{state}'" in repr(about["responses"]) for state in STATES)
    }
    assert taken == states
    assert len(states) > 30


def test_a_write_names_its_tag_and_the_preference_where_it_honours_it() -> None:
    for name, about in writes():
        good = {status: said.get("headers", {}) for status, said in about["responses"].items() if status[0] == "2"}
        takes = {"$ref": "#/components/parameters/Prefer"} in about["parameters"]
        assert takes == any("Preference-Applied" in headers for headers in good.values()), name
        assert all(("ETag" in headers) == takes for headers in good.values()), name


async def document(api: HttpApi, token: dict[str, str]) -> str:
    made = await api.client.post("/v1/documents", json={"title": "x"}, headers=token)
    return str(made.headers["location"])


async def team(api: HttpApi, token: dict[str, str]) -> str:
    made = await api.client.post("/v1/teams", json={"name": "x", "slug": f"t{uuid4().hex[:8]}"}, headers=token)
    return str(made.headers["location"])


@pytest.mark.parametrize(
    ("make", "method", "path", "body"),
    [
        (document, "DELETE", "", None),
        (document, "POST", "/archive", None),
        (document, "DELETE", "/ownership-offer", None),
        (team, "PUT", "", {"name": "y"}),
        (team, "DELETE", "/ownership-offer", None),
        (team, "DELETE", "", None),
    ],
    ids=lambda given: given.__name__ if callable(given) else str(given),
)
async def test_a_change_answers_without_a_body(
    api: HttpApi, token: dict[str, str], make: Any, method: str, path: str, body: Any
) -> None:
    target = await make(api, token) + path
    answer = await api.client.request(method, target, json=body, headers={**token, **MINIMAL})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["preference-applied"] == "return=minimal"
    assert answer.headers["etag"]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/documents", {"title": "x"}), ("/v1/teams", {"name": "x", "slug": "x-team"})],
    ids=["document", "team"],
)
async def test_a_creation_answers_with_its_place_alone(
    api: HttpApi, token: dict[str, str], path: str, body: dict[str, str]
) -> None:
    """RFC 7240, 4.2: the status stays, and `Location` names what was made."""
    headers = {**token, **MINIMAL, "Idempotency-Key": "once"}
    answer = await api.client.post(path, json=body, headers=headers)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (
        201,
        b"",
        '"1"' if "title" in body else '"1-1-1"',
    )
    assert answer.headers["location"].startswith(f"{path}/")
    assert answer.headers["preference-applied"] == "return=minimal"
    assert "content-type" not in answer.headers
    again = await api.client.post(path, json=body, headers={**token, "Idempotency-Key": "once"})
    assert (again.status_code, again.json()["id"]) == (201, answer.headers["location"].rpartition("/")[2])
    assert "preference-applied" not in again.headers
