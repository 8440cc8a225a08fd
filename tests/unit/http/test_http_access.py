"""Access to every operation before anything is read: tokens, scopes, methods, and fields that are not in a schema."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from uuid_utils.compat import uuid7

from application.scopes import scopes
from tests.support.access import CASES, PUBLIC, operations
from tests.support.http import HttpApi, open_http_api

OPERATIONS = operations()
GUARDED = sorted(OPERATIONS.keys() - PUBLIC)
WITH_BODY = sorted(name for name, operation in OPERATIONS.items() if operation.example is not None)
NOTHING = "0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f"
IDS = (
    "document_id",
    "team_id",
    "user_id",
    "session_id",
    "folder_id",
    "link_id",
    "public_id",
    "request_id",
    "domain_id",
    "generation_id",
    "comparison_id",
    "aggregate_id",
    "correlation_id",
)
NAMES = {
    **dict.fromkeys(IDS, NOTHING),
    **dict.fromkeys(("version", "position", "old", "new"), 1),
    "month": "2026-11",
    "topic": "document",
}
"""The parameters of all paths."""
FORBIDDEN_FIELDS = {
    "role": "admin",
    "id": NOTHING,
    "user_id": NOTHING,
    "owner_id": NOTHING,
    "tenant": NOTHING,
    "is_admin": True,
    "plan": "enterprise",
    "scope": "users:write",
    "email_verified": True,
    "password_hash": "hash",
    "version": 7,
    "deactivated_at": None,
    "__class__": "admin",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api() -> AsyncIterator[HttpApi]:
    async with open_http_api() as opened:
        yield opened


def path_of(name: str) -> str:
    """A path of an operation, with ids of nothing."""
    return OPERATIONS[name].path.format(**NAMES)


def methods_of(name: str) -> list[str]:
    """The methods to try: HEAD is GET without its body."""
    return ["GET", "HEAD"] if OPERATIONS[name].method == "GET" else [OPERATIONS[name].method]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", GUARDED)
async def test_asvs_8_2_1_without_a_token_nothing_is_done(api: HttpApi, name: str) -> None:
    for method in methods_of(name):
        answer = await api.client.request(method, path_of(name), json=OPERATIONS[name].example)
        assert answer.status_code == 401
        assert method == "HEAD" or answer.json()["code"] == "unauthenticated"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", GUARDED)
async def test_asvs_8_2_1_a_token_without_the_scope_is_refused(
    api: HttpApi, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = OPERATIONS[name].scope
    monkeypatch.setattr("adapters.http.api.tokens.scopes", lambda: {scope})
    granted = api.token(uuid7())
    monkeypatch.setattr("adapters.http.api.tokens.scopes", lambda: scopes() - {scope})
    refused = api.token(uuid7())
    for method in methods_of(name):
        answer = await api.client.request(method, path_of(name), json=OPERATIONS[name].example, headers=refused)
        assert answer.status_code == 403
        assert method == "HEAD" or answer.json()["code"] == "insufficient_scope"
    # A body that no operation takes shows that the token is accepted, and that the body is read after it.
    method, query = OPERATIONS[name].method, {"x": "1"}
    answer = await api.client.request(method, path_of(name), params=query, json=7, headers=granted)
    assert answer.status_code != 401
    assert "insufficient_scope" not in answer.text


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS.values()}))
async def test_asvs_4_1_4_other_methods_do_nothing_for_anyone(api: HttpApi, path: str) -> None:
    target = path.format(**NAMES)
    allowed = {operation.method for operation in OPERATIONS.values() if operation.path == path}
    allowed |= {"HEAD"} if "GET" in allowed else set()
    for method in ("OPTIONS", "TRACE", "PATCH", "GET", "POST", "PUT", "DELETE"):
        if method not in allowed:
            answer = await api.client.request(method, target, headers=api.token(uuid7()))
            assert (answer.status_code, answer.headers["allow"]) == (405, ", ".join(sorted(allowed)))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", WITH_BODY)
async def test_asvs_15_3_1_a_field_that_is_not_in_the_schema_is_refused(api: HttpApi, name: str) -> None:
    operation, before = OPERATIONS[name], len(api.store.log)
    for field, value in FORBIDDEN_FIELDS.items():
        if field in operation.example:
            continue
        body = {**operation.example, field: value}
        headers = {**operation.kind, **api.token(uuid7())}
        answer = await api.client.request(operation.method, path_of(name), json=body, headers=headers)
        assert answer.status_code == 422, (field, answer.text)
        assert f"/{field}" in {fault["pointer"] for fault in answer.json()["errors"]}
    assert len(api.store.log) == before


def test_the_examples_say_what_each_operation_takes() -> None:
    """So the test before this one changes one field of a body that is valid otherwise."""
    assert {"found_team", "change_me", "share_document", "register", "log_in"} <= {*WITH_BODY}
    assert {case.operation for case in CASES} <= OPERATIONS.keys()
