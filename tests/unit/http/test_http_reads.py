"""How reads answer: no older than asked or saying so, nothing twice, pages of lists."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
import pytest_asyncio
from starlette.requests import Request

from adapters.http.api import queries
from adapters.http.api.context import CONTEXT, RequestContext
from adapters.http.api.deps import Deps
from application.commands import Command, CommandResult
from application.content import comparison
from application.content.document import BindShare, DocumentView
from application.ports import Actor, Busy, CommandContext, NotSettled, Unavailable
from domain.kernel import NotFound, Party
from projections.content import document as documents
from projections.kernel import models_read_by
from projections.page import Page
from projections.visibility import HeldRole, document_access
from tests.support.http import HttpApi, open_http_api, openapi_schema

ADA, OTHER = UUID(int=1), UUID(int=2)
PATH = f"/v1/documents/{UUID(int=9)}"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MOMENT = datetime(2026, 11, 22, tzinfo=UTC)


def document(owner_id: UUID = ADA, version: int = 3) -> DocumentView:
    return DocumentView(UUID(int=9), "user", owner_id, "Notes", "Otters.", "draft", version, MOMENT, MOMENT, None, None)


@pytest_asyncio.fixture
async def api() -> AsyncIterator[HttpApi]:
    async with open_http_api() as opened:
        opened.rows.row = document()
        yield opened


async def test_a_document_comes_with_its_version(api: HttpApi) -> None:
    answer = await api.client.get(PATH, headers=api.token(ADA))
    assert (answer.status_code, answer.headers["etag"]) == (200, '"3"')
    assert answer.json() == {
        "id": str(UUID(int=9)),
        "owner_kind": "user",
        "owner_id": str(ADA),
        "title": "Notes",
        "content": "Otters.",
        "status": "draft",
        "version": 3,
        "created_at": "2026-11-22T00:00:00Z",
        "updated_at": "2026-11-22T00:00:00Z",
        "trashed_at": None,
        "transferred_at": None,
    }
    assert api.positions.asked == []


async def test_a_document_in_the_trash_has_a_tag_of_its_own(api: HttpApi) -> None:
    api.rows.row = replace(document(), trashed_at=MOMENT)
    answer = await api.client.get(PATH, headers={**api.token(ADA), "If-None-Match": '"3"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, f'"3-{MOMENT.timestamp() * 1_000_000:.0f}"')
    again = await api.client.get(PATH, headers={**api.token(ADA), "If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


async def test_head_answers_as_get_without_the_body(api: HttpApi) -> None:
    answer = await api.client.head(PATH, headers=api.token(ADA))
    assert (answer.status_code, answer.headers["etag"]) == (200, '"3"')
    assert [(seen.method, seen.route) for seen in api.observed] == [("HEAD", "/v1/documents/{document_id}")]


@pytest.mark.parametrize(
    ("known", "status"),
    [('"3"', 304), ('W/"3"', 304), ('"1", "3"', 304), ("*", 304), ('"2"', 200), ('"33"', 200)],
)
async def test_what_the_caller_has_is_not_sent_again(api: HttpApi, known: str, status: int) -> None:
    answer = await api.client.get(PATH, headers={**api.token(ADA), "If-None-Match": known})
    assert (answer.status_code, answer.headers["etag"]) == (status, '"3"')
    assert (answer.content == b"") == (status == 304)


@pytest.mark.parametrize(
    ("wanted", "status"), [('"3"', 200), ("*", 200), ('"2", "3"', 200), ('"2"', 412), ('W/"3"', 412), ("3", 400)]
)
async def test_a_read_is_refused_if_another_state_was_wanted(api: HttpApi, wanted: str, status: int) -> None:
    """Case 3: If-Match counts for reads too (RFC 9110, 13.1.1), before If-None-Match (13.2.2)."""
    headers = {**api.token(ADA), "If-Match": wanted}
    answer = await api.client.get(PATH, headers=headers)
    assert answer.status_code == status
    both = await api.client.get(PATH, headers={**headers, "If-None-Match": "*"})
    assert both.status_code == (304 if status == 200 else status)


async def test_a_document_does_not_exist_for_others(api: HttpApi) -> None:
    theirs = await api.client.get(PATH, headers=api.token(OTHER))
    api.rows.row = None
    none = await api.client.get(PATH, headers=api.token(OTHER))
    assert theirs.status_code == none.status_code == 404
    assert {**theirs.json(), "request_id": ""} == {**none.json(), "request_id": ""}


class Sending:
    """A command bus that keeps the commands that are sent, and can be set to fail or never to answer."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.stuck = False
        self.sent: list[tuple[Command[Any], Actor | None, str | None]] = []

    async def __call__(self, command: Command[Any], context: CommandContext) -> CommandResult[Any]:
        self.sent.append((command, context.actor, context.traceparent))
        if self.failure is not None:
            raise self.failure
        if self.stuck:
            await asyncio.Event().wait()
        return CommandResult(None, 1)


async def read_by_share(sending: Sending, *, unused: bool = True) -> int:
    """Read the document as another user, through a share; answer the status."""
    async with open_http_api(send=sending) as api:
        api.rows.row, api.rows.shares = document(), [HeldRole("share", "viewer", unused)]
        return (await api.client.get(PATH, headers={**api.token(OTHER), "traceparent": TRACE})).status_code


async def test_the_first_read_through_a_share_binds_it_in_the_trace_of_the_caller() -> None:
    sending = Sending()
    assert await read_by_share(sending) == 200
    assert sending.sent == [(BindShare(id=UUID(int=9)), Actor(OTHER), TRACE)]


async def test_a_later_read_through_a_share_sends_nothing() -> None:
    sending = Sending()
    assert await read_by_share(sending, unused=False) == 200
    assert sending.sent == []


async def test_a_share_that_turns_out_to_belong_to_another_user_gives_nothing_to_read() -> None:
    assert await read_by_share(Sending(NotFound("There is no such document."))) == 404


@pytest.mark.parametrize("failure", [Unavailable("The database"), NotSettled(), Busy("Try again."), RuntimeError()])
async def test_a_share_that_cannot_be_bound_now_is_read_all_the_same(failure: Exception) -> None:
    assert await read_by_share(Sending(failure)) == 200


async def test_a_read_waits_for_the_binding_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "CAUSED_SECONDS", 0.01)
    sending = Sending()
    sending.stuck = True
    assert await read_by_share(sending) == 200


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 1.0),
        ("wait=2", 2.0),
        ("respond-async, WAIT = 3", 3.0),
        ("wait=0", 0.0),
        ('wait="2"', 2.0),
        ("wait=60", 5.0),
        ("wait=soon", 1.0),
        ("await=4", 1.0),
        ("wait=-1", 1.0),
    ],
)
async def test_a_read_waits_for_a_token_as_long_as_preferred_within_bounds(
    api: HttpApi, prefer: str | None, seconds: float
) -> None:
    headers = {**api.token(ADA), "Consistency-Token": "7", **({"Prefer": prefer} if prefer else {})}
    answer = await api.client.get(PATH, headers=headers)
    assert answer.status_code == 200
    assert "consistency-lag" not in answer.headers
    assert api.positions.asked == [(name, 7, seconds) for name in models_read_by(documents.document)]
    assert api.rows.since == 7


async def test_an_answer_that_is_too_old_says_so(api: HttpApi) -> None:
    api.positions.behind = 4
    answer = await api.client.get(PATH, headers={**api.token(ADA), "Consistency-Token": "7"})
    api.rows.row = None
    none = await api.client.get(PATH, headers={**api.token(ADA), "Consistency-Token": "7"})
    assert (answer.status_code, answer.headers["consistency-lag"]) == (200, "4")
    assert (none.status_code, none.headers["consistency-lag"]) == (404, "4")
    assert "4 events behind" in none.json()["detail"]  # case 10


async def test_a_token_that_is_none_is_malformed_for_reads_that_never_wait_too(api: HttpApi) -> None:
    headers = {**api.token(ADA), "Consistency-Token": "n1oL"}
    answer = await api.client.get("/v1/users/me/history", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize("token", ["", "x", "-1", "1.5", "9" * 19, "\u0661"])
async def test_a_token_that_is_none_is_malformed(api: HttpApi, token: str) -> None:
    headers: dict[str, str | bytes] = {**api.token(ADA), "Consistency-Token": token.encode()}
    answer = await api.client.get(PATH, headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "sort=content",
        "status=lost",
        "trashed=maybe",
        "owner=me",
        f"cursor={'x' * 2001}",
    ],
)
async def test_a_list_takes_only_what_it_knows(api: HttpApi, query: str) -> None:
    answer = await api.client.get(f"/v1/documents?{query}", headers=api.token(ADA))
    assert (answer.status_code, answer.json()["errors"][0]["place"]) == (422, "query")
    assert answer.json()["errors"][0]["pointer"] == f"/{query.partition('=')[0]}"


async def test_a_name_in_a_query_comes_once(api: HttpApi) -> None:
    answer = await api.client.get("/v1/documents?limit=1&sort=title&limit=2", headers=api.token(ADA))
    assert (answer.status_code, answer.json()["code"]) == (422, "not_valid")
    (error,) = answer.json()["errors"]
    assert (error["place"], error["pointer"], error["code"]) == ("query", "/limit", "repeated")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("GET", "/v1/users/me"), ("DELETE", PATH), ("GET", "/health/live")]
)
async def test_what_takes_no_query_refuses_any(api: HttpApi, method: str, path: str) -> None:
    answer = await api.client.request(method, f"{path}?limit=1&limit=2&%00", headers=api.token(ADA))
    errors = {(error["place"], error["pointer"], error["code"]) for error in answer.json()["errors"]}
    assert (answer.status_code, answer.json()["code"]) == (422, "not_valid")
    assert errors == {
        ("query", "/limit", "repeated"),
        ("query", "/limit", "extra_forbidden"),
        ("query", "/\0", "extra_forbidden"),
    }


async def test_no_more_faults_are_shown_than_help(api: HttpApi) -> None:
    query = "&".join(f"{number}&{number}" for number in range(100))
    answer = await api.client.get(f"{PATH}?{query}", headers=api.token(ADA))
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 21)


async def test_a_cursor_of_another_list_is_refused(api: HttpApi) -> None:
    answer = await api.client.get("/v1/documents?cursor=bm9uc2Vuc2U", headers=api.token(ADA))
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")


async def test_a_list_is_a_page(api: HttpApi) -> None:
    answer = await api.client.get("/v1/documents?limit=100&sort=title&status=draft", headers=api.token(ADA))
    assert answer.status_code == 200
    assert answer.json().keys() == {"items", "next", "total"} == {*Page.__dataclass_fields__, "total"}


async def test_the_version_of_a_path_is_a_number_in_bounds(api: HttpApi) -> None:
    for version in ("0", "-1", "x", "1" * 12):
        answer = await api.client.get(f"{PATH}/versions/{version}", headers=api.token(ADA))
        assert answer.status_code == 422
    assert (await api.client.get(f"{PATH}/versions/1", headers=api.token(ADA))).status_code == 404


async def test_a_version_that_is_not_there_is_not_called_a_missing_document(api: HttpApi) -> None:
    """Case 10: and to restore it, too."""
    _, token = await api.account()
    path = (await api.client.post("/v1/documents", json={"title": "x"}, headers=token)).headers["location"]
    for method, target in (("GET", f"{path}/versions/999"), ("POST", f"{path}/versions/999/restore")):
        answer = await api.client.request(method, target, headers=token)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "has the versions 1 to 1;" in answer.json()["detail"]


VALUES = {"version": "1", "month": "2026-11", "topic": "document"}
"""Of parameters in paths that are no ids."""
READS = sorted(
    re.sub("{(.*?)}", lambda name: VALUES.get(name[1], str(UUID(int=5))), path)
    for path, methods in openapi_schema()["paths"].items()
    if "security" in methods.get("get", ())
    and "{type}" not in path
    and not path.endswith(("/stream", "/sessions", "/usage", "/usage/statements/{month}", "/models"))
)


QUERIES = {"diff": {"from": "1", "to": "1"}, "difference": {"before": "1", "after": "1"}}
"""Of reads that take a query, by the last part of their path."""


@pytest.mark.parametrize("path", READS)
async def test_a_read_of_nothing_finds_nothing(path: str) -> None:
    async with open_http_api() as api:
        query = QUERIES.get(path.rpartition("/")[2], {})
        headers = api.token(ADA) if "/audit/" not in path else (await api.auditor())[1]
        answer = await api.client.get(path, params=query, headers=headers)
    assert answer.status_code == 404 or answer.json()["items"] == []


async def test_a_long_comparison_keeps_no_other_request_waiting(api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, started, answered = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def compare(old: str, new: str) -> list[Any]:
        loop.call_soon_threadsafe(started.set)
        assert answered.wait(10)
        return []

    monkeypatch.setattr(comparison, "word_changes", compare)
    _, token = await api.account()
    found = await api.client.post("/v1/documents", json={"title": "Notes"}, headers=token)
    path = f"/v1/documents/{found.json()['id']}/versions/diff"
    compared = asyncio.create_task(api.client.get(path, params=QUERIES["diff"], headers=token))
    await started.wait()
    assert (await api.client.get("/health/live")).status_code == 200
    answered.set()
    assert (await compared).status_code == 200


async def test_the_queries_of_a_request_share_its_wait(api: HttpApi, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(queries, "monotonic", lambda: now)
    deps = SimpleNamespace(
        positions=api.positions,
        rows=api.rows,
        history=api.store,
        clock=api.time,
        tokens=api.tokens,
        read_wait_max=10.0,
        live_sessions=api.sessions,
    )
    token = api.token(ADA)["Authorization"].encode()
    headers = {b"authorization": token, b"consistency-token": b"7", b"prefer": b"wait=3"}
    context = RequestContext(cast(Deps, deps), headers, UUID(int=1))
    await context.authenticate("documents:read", changes=False)
    reader = queries.QueryReader(Request({"type": "http", CONTEXT: context}))
    for passed in (0.0, 1.0, 5.0):
        now = 100.0 + passed
        await reader.query(document_access, reader.actor, UUID(int=5), Party("user", OTHER))
    waits = [seconds for seconds in (3.0, 2.0, 0.0) for _ in models_read_by(document_access)]
    assert [timeout for _, _, timeout in api.positions.asked] == waits
