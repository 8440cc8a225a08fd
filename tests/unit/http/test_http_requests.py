"""Requests: authentication, bodies, conditions, keys, and the faults that are reported."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.http.api.problems import pointer
from adapters.http.content.document import NewDocument
from application.scopes import scopes
from tests.support.http import PASSWORD, HttpApi

DOCUMENTS = "/v1/documents"


def codes(answer: Any) -> set[tuple[str, str, str]]:
    return {(error["place"], error["pointer"], error["code"]) for error in answer.json()["errors"]}


async def test_logging_in_gives_a_token_that_works(api: HttpApi) -> None:
    await api.account("ada")
    body = {"email": "ADA@example.org ", "password": PASSWORD}
    answer = await api.client.post("/v1/auth/login", json=body)
    assert (answer.status_code, answer.json()["token_type"], answer.json()["expires_in"]) == (200, "Bearer", 3600)
    headers = {"Authorization": f"bearer {answer.json()['access_token']}"}
    assert (await api.client.post(DOCUMENTS, json={"title": "x"}, headers=headers)).status_code == 201


@pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org", "not an address"])
async def test_whether_an_account_exists_is_not_told_at_login(api: HttpApi, email: str) -> None:
    await api.account("ada")
    answer = await api.client.post("/v1/auth/login", json={"email": email, "password": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")
    assert answer.headers["www-authenticate"] == 'Bearer realm="palimpsest"'


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="palimpsest"'),
        ({"Authorization": "Basic eDp5"}, 'Bearer realm="palimpsest"'),
        ({"Authorization": "Bearer"}, 'Bearer realm="palimpsest", error="invalid_token"'),
        ({"Authorization": "Bearer x.y.z"}, 'Bearer realm="palimpsest", error="invalid_token"'),
    ],
)
async def test_without_a_good_token_nothing_is_read(api: HttpApi, headers: dict[str, str], challenge: str) -> None:
    answer = await api.client.post(DOCUMENTS, content=b"not even JSON", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == challenge


async def test_a_token_works_only_within_its_scope(api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.http.api.tokens.scopes", lambda: frozenset({"documents:read"}))
    answer = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=api.token(UUID(int=1)))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_after_a_scope_was_renamed_a_refresh_gives_the_new_one(
    api: HttpApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.account("ada")
    with monkeypatch.context() as before:
        before.setattr("adapters.http.api.tokens.scopes", lambda: {"subscription:read", *scopes()} - {"billing:read"})
        login = {"email": "ada@example.org", "password": PASSWORD}
        tokens = (await api.client.post("/v1/auth/login", json=login)).json()
    answer = await api.client.get("/v1/subscription", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    refreshed = await api.client.post("/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    headers = {"Authorization": f"Bearer {refreshed.json()['access_token']}"}
    answer = await api.client.get("/v1/subscription", headers=headers)
    assert answer.status_code == 404, "the scope is enough; these tests have no rows of read models"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"title":"\\ud800"}', b'{"title": "x",}', b"[" * 5000, b'{"title": 01}']
)
async def test_a_body_that_is_not_json_is_malformed(api: HttpApi, token: dict[str, str], content: bytes) -> None:
    answer = await api.client.post(
        DOCUMENTS, content=content, headers={**token, "Content-Type": "application/json; charset=utf-8"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_a_body_that_says_a_thing_twice_is_malformed(api: HttpApi, token: dict[str, str]) -> None:
    content = b'{"title": "one", "content": "x", "titl\\u0065": "two"}'
    answer = await api.client.post(DOCUMENTS, content=content, headers={**token, "Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"])
async def test_a_body_of_another_type_is_refused(api: HttpApi, token: dict[str, str], kind: str | None) -> None:
    headers = token if kind is None else {**token, "Content-Type": kind}
    answer = await api.client.post(DOCUMENTS, content=b'{"title":"x"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "not_json")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("x", ("body", "", "model_type")),
        ([], ("body", "", "model_type")),
        ({}, ("body", "/title", "missing")),
        ({"title": 5}, ("body", "/title", "string_type")),
        ({"title": ""}, ("body", "/title", "string_too_short")),
        ({"title": "x" * 301}, ("body", "/title", "string_too_long")),
        ({"title": "x", "owner_id": str(uuid4())}, ("body", "/owner_id", "extra_forbidden")),
    ],
)
async def test_a_body_that_breaks_the_schema_is_refused_with_its_place(
    api: HttpApi, token: dict[str, str], body: object, error: tuple[str, str, str]
) -> None:
    answer = await api.client.post(DOCUMENTS, json=body, headers=token)
    assert (answer.status_code, answer.json()["code"], codes(answer)) == (422, "not_valid", {error})


async def test_all_that_is_wrong_is_told_at_once_and_nothing_of_it_shown(api: HttpApi, token: dict[str, str]) -> None:
    body = {"title": {"canary": "canary"}, "content": 31337, "status": "canary"}
    answer = await api.client.put(f"{DOCUMENTS}/canary", json=body, headers=token)
    assert codes(answer) == {
        ("path", "/document_id", "uuid_parsing"),
        ("body", "/title", "string_type"),
        ("body", "/content", "string_type"),
        ("body", "/status", "literal_error"),
    }
    assert "canary" not in answer.text
    assert "31337" not in answer.text


async def test_only_so_much_is_told(api: HttpApi, token: dict[str, str]) -> None:
    answer = await api.client.post(DOCUMENTS, json={"x" * 500 + str(n): n for n in range(18)}, headers=token)
    assert len(answer.json()["errors"]) <= 20
    assert max(len(error["pointer"]) for error in answer.json()["errors"]) == 200


def test_pointers_are_escaped() -> None:
    assert pointer(["a/b", "c~d", 0]) == "/a~1b/c~0d/0"


async def test_text_that_cannot_be_stored_is_refused(api: HttpApi, token: dict[str, str]) -> None:
    answer = await api.client.post(DOCUMENTS, json={"title": "x", "content": "a\0b"}, headers=token)
    assert (answer.status_code, answer.json()["code"]) == (422, "unusable_text")


async def test_a_body_over_the_limit_is_refused_unread(api: HttpApi, token: dict[str, str]) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1_000_000
            yield b" " * 1_000_000

    headers = {**token, "Content-Type": "application/json"}
    declared = await api.client.post(DOCUMENTS, content=b" " * 13_000_000, headers=headers)
    chunked = await api.client.post(DOCUMENTS, content=endless(), headers=headers)
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert read <= 13_000_000


async def test_a_body_at_the_limit_is_read(api: HttpApi, token: dict[str, str]) -> None:
    body = b'{"title":"x"}'.ljust(NewDocument.MAX_BYTES)
    headers = {**token, "Content-Type": "application/vnd.palimpsest+json"}
    assert (await api.client.post(DOCUMENTS, content=body, headers=headers)).status_code == 201


async def test_a_version_that_is_current_may_be_changed_and_an_older_one_not(
    api: HttpApi, token: dict[str, str]
) -> None:
    made = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=token)
    path, body = made.headers["location"], {"title": "y", "content": "", "status": "draft"}
    assert made.headers["etag"] == '"1"'
    for condition, status in (('"1"', 200), ('"1"', 412), ("*", 200), ('"abc"', 412), (f'"{10**40}"', 412)):
        answer = await api.client.put(path, json=body, headers={**token, "If-Match": condition})
        assert (condition, answer.status_code) == (condition, status)
    assert answer.json()["code"] == "stale_version"


async def test_a_tag_from_the_trash_names_the_document_in_the_trash(api: HttpApi, token: dict[str, str]) -> None:
    made = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=token)
    path = made.headers["location"]
    trashed = await api.client.delete(path, headers={**token, "If-Match": made.headers["etag"]})
    for condition, status in (
        ('"2-1"', 412),
        ('"1-x"', 412),
        (made.headers["etag"], 412),
        (trashed.headers["etag"], 200),
    ):
        answer = await api.client.post(f"{path}/restore", headers={**token, "If-Match": condition})
        assert (condition, answer.status_code) == (condition, status)
    assert answer.headers["etag"] == made.headers["etag"]


async def test_a_repeated_key_is_answered_alike_and_done_once(api: HttpApi, token: dict[str, str]) -> None:
    headers = {**token, "Idempotency-Key": "first"}
    first = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=headers)
    again = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=headers)
    other = await api.client.post(DOCUMENTS, json={"title": "y"}, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    for name in ("location", "etag", "consistency-token"):
        assert first.headers[name] == again.headers[name]
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert len(api.store.log) == 6


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
async def test_a_key_that_is_none_is_malformed(api: HttpApi, token: dict[str, str], key: str) -> None:
    headers = {**token, "Idempotency-Key": key.encode("latin-1")}
    answer = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


async def test_a_write_tells_its_position_and_one_without_news_the_end(api: HttpApi, token: dict[str, str]) -> None:
    made = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=token)
    body = {"title": "x", "content": "", "status": "draft"}
    same = await api.client.put(made.headers["location"], json=body, headers=token)
    assert (made.headers["consistency-token"], same.headers["consistency-token"]) == ("6", "6")
    assert same.headers["etag"] == made.headers["etag"]


async def test_a_path_tells_all_its_methods(api: HttpApi) -> None:
    answer = await api.client.post(f"{DOCUMENTS}/{uuid4()}")
    assert {"DELETE", "PUT"} <= set(answer.headers["allow"].split(", "))
