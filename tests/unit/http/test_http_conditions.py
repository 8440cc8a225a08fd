"""Conditions (RFC 9110, 13): what answers an ETag honours If-Match and If-None-Match, and all else refuses them."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.http import HttpApi, openapi_schema

BODY = {"title": "y", "content": "", "status": "draft"}
EMAIL = {"email": "bob@example.org"}


async def document(api: HttpApi, token: dict[str, str]) -> str:
    made = await api.client.post("/v1/documents", json={"title": "x"}, headers=token)
    return str(made.headers["location"])


async def team(api: HttpApi, token: dict[str, str]) -> Any:
    return await api.client.post("/v1/teams", json={"name": "x", "slug": f"t{uuid4().hex[:8]}"}, headers=token)


def operations() -> list[tuple[str, str, dict[str, Any], set[str]]]:
    """Method, path, description and request headers of every operation."""
    return [
        (method, path, about, {each.get("$ref", "").rpartition("/")[2] for each in about["parameters"]})
        for path, methods in openapi_schema()["paths"].items()
        for method, about in methods.items()
    ]


def test_every_operation_on_one_thing_that_answers_an_etag_takes_both_conditions() -> None:
    """Case 3."""
    for method, path, about, headers in operations():
        good = next(answer for status, answer in about["responses"].items() if status.startswith("2"))
        answers = "ETag" in good.get("headers", {}) and "content" in good and "201" not in about["responses"]
        assert (answers, answers) == ("If-Match" in headers, "If-None-Match" in headers), (method, path)


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("If-Match", '"1"', 200),
        ("If-Match", "*", 200),
        ("If-Match", '"7", "1"', 200),
        ("If-Match", ', "1"\t,,W/"7"', 200),
        ("If-Match", '"01"', 412),
        ("If-Match", '"1-"', 412),
        ("If-Match", '" 1"', 400),
        ("If-Match", 'W/"1"', 412),
        ("If-Match", '"7", W/"1"', 412),
        ("If-Match", '"*"', 412),
        ("If-Match", '"1,1"', 412),
        ("If-Match", '"é"', 412),
        ("If-Match", "1", 400),
        ("If-Match", '"1" "2"', 400),
        ("If-Match", '"1', 400),
        ("If-Match", 'w/"1"', 400),
        ("If-Match", '*, "1"', 400),
        ("If-Match", "", 400),
        ("If-Match", ",", 400),
        ("If-None-Match", "*", 412),
        ("If-None-Match", '"1"', 412),
        ("If-None-Match", 'W/"1"', 412),
        ("If-None-Match", '"2"', 200),
        ("If-None-Match", "2", 400),
        ("If-Unmodified-Since", "Sun, 22 Nov 2026 12:00:00 GMT", 400),
    ],
)
async def test_a_change_honours_its_condition(
    api: HttpApi, token: dict[str, str], header: str, value: str, status: int
) -> None:
    """Case 3: opaque tags, lists, weak ones never; what is not supported is refused."""
    path = await document(api, token)
    headers: Any = {**token, header: value.encode("latin-1")}
    answer = await api.client.put(path, json=BODY, headers=headers)
    assert answer.status_code == status, answer.text


async def test_the_same_tag_changes_a_team_once(api: HttpApi, token: dict[str, str]) -> None:
    """Case 3: PUT twice with one If-Match."""
    made = await team(api, token)
    for name, status in (("a", 200), ("b", 412)):
        headers = {**token, "If-Match": made.headers["etag"]}
        answer = await api.client.put(made.headers["location"], json={"name": name}, headers=headers)
        assert answer.status_code == status


async def test_shares_and_members_honour_conditions_too(api: HttpApi, token: dict[str, str]) -> None:
    """Case 3: the siblings."""
    path, made = await document(api, token), await team(api, token)
    at = made.headers["location"]
    stale = {**token, "If-Match": '"77"'}
    for method, target, body in (
        ("POST", f"{path}/shares", {**EMAIL, "role": "viewer"}),
        ("PUT", f"{path}/shares", {**EMAIL, "role": "viewer"}),
        ("POST", f"{path}/shares/revoke", EMAIL),
        ("PUT", f"{at}/slug", {"slug": "other"}),
        ("POST", f"{at}/invitations", EMAIL),
        ("POST", f"{at}/invitations/accept", None),
        ("POST", f"{at}/invitations/revoke", EMAIL),
        ("PUT", f"{at}/members/{uuid4()}", {"role": "admin"}),
        ("DELETE", f"{at}/members/{uuid4()}", None),
        ("POST", f"{at}/ownership-offer", {"user_id": str(uuid4())}),
        ("POST", f"{at}/ownership-offer/accept", None),
        ("POST", f"{at}/ownership-offer/decline", None),
        ("DELETE", f"{at}/ownership-offer", None),
        ("DELETE", at, None),
        ("POST", f"{at}/withdraw-dissolution", None),
        ("PUT", "/v1/users/me", {"name": "Ada"}),
    ):
        answer = await api.client.request(method, target, json=body, headers=stale)
        assert (target, answer.status_code) == (target, 412)


@pytest.mark.parametrize(
    ("method", "path", "header"),
    [
        ("POST", "/v1/documents", "If-Match"),
        ("POST", "/v1/teams", "If-None-Match"),
        ("POST", "/v1/auth/login", "If-Match"),
        ("POST", f"/v1/teams/{UUID(int=9)}/leave", "If-Match"),
        ("GET", "/v1/document-changes", "If-Match"),
        ("GET", "/health/live", "If-Match"),
    ],
)
async def test_a_condition_that_is_not_checked_is_refused(
    api: HttpApi, token: dict[str, str], method: str, path: str, header: str
) -> None:
    """Case 3."""
    answer = await api.client.request(method, path, headers={**token, header: "*"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unsupported_condition")


async def test_strangers_learn_no_version_from_a_condition(api: HttpApi, token: dict[str, str]) -> None:
    path, (_, other) = await document(api, token), await api.account("eve")
    for headers in ({"If-Match": '"1"'}, {"If-Match": '"2"'}, {"If-None-Match": "*"}):
        answer = await api.client.put(path, json=BODY, headers={**other, **headers})
        assert answer.status_code == 404


def test_every_list_in_pages_links_the_next_one_and_has_a_tag() -> None:
    paged = {
        f"{method} {path}": (about["responses"]["200"]["headers"], headers)
        for method, path, about, headers in operations()
        if any(each.get("name") == "cursor" for each in about["parameters"])
    }
    assert len(paged) > 15
    for name, (given, taken) in paged.items():
        assert {"Link", "ETag"} <= given.keys(), name
        assert "If-None-Match" in taken, name
