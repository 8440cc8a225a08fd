"""Reads of auditors over HTTP: recorded before they are answered, and only of users who are auditors at that moment."""

import json
from typing import Any
from uuid import UUID

import pytest

from application.identity.auditing import AppointAuditor, DismissAuditor
from application.ports import CommandContext, Unavailable
from application.scopes import scopes, scopes_of_auditors
from domain.audit.audit_read import AuditRead
from domain.identity.user import User
from tests.support.http import PASSWORD, HttpApi

OLGA = "olga@example.org"
DISMISS = DismissAuditor(email=OLGA, reason="The review is done.")


def reads_in(api: HttpApi) -> list[AuditRead.HistoryRead]:
    return [event for event in api.store.log if isinstance(event, AuditRead.HistoryRead)]


@pytest.fixture
async def bob(api: HttpApi) -> UUID:
    return (await api.account("bob"))[0]


async def log_in(api: HttpApi) -> Any:
    answer = await api.client.post("/v1/auth/login", json={"email": OLGA, "password": PASSWORD})
    return answer.json()


def scopes_in(api: HttpApi, tokens: Any) -> frozenset[str]:
    return api.tokens.identify(tokens["access_token"]).scopes


async def test_only_tokens_of_auditors_have_their_scope(api: HttpApi) -> None:
    await api.account("olga")
    before = await log_in(api)
    await api.send(AppointAuditor(email=OLGA, reason="Reviews the year."))
    after = await api.client.post("/v1/auth/refresh", json={"refresh_token": before["refresh_token"]})
    assert scopes_of_auditors() == {"audit:read"}
    assert scopes_in(api, before) == scopes()
    assert scopes_in(api, after.json()) == scopes() | {"audit:read"}
    await api.send(DISMISS)
    assert scopes_in(api, await log_in(api)) == scopes()


async def test_a_read_is_in_the_log_before_its_answer(api: HttpApi, bob: UUID) -> None:
    olga, headers = await api.auditor()
    answer = await api.client.get(f"/v1/audit/users/{bob}/history?limit=2", headers=headers)
    assert [each["action"] for each in answer.json()["items"]] == ["email_verified", "verification_requested"]
    [read] = reads_in(api)
    assert (read.auditor_id, read.operation, read.topic, read.aggregate_id) == (olga, "audit_user_history", "user", bob)
    assert (read.user_ids, read.team_ids, read.filters) == ([str(bob)], [], {})


async def test_each_page_of_json_lines_is_recorded(api: HttpApi, bob: UUID) -> None:
    _, headers = await api.auditor()
    lines = await api.client.get(
        f"/v1/audit/users/{bob}/history?limit=2", headers={**headers, "Accept": "application/jsonl"}
    )
    found = [json.loads(line)["version"] for line in lines.text.splitlines()]
    assert found == [*range(len(found), 0, -1)]
    assert len(reads_in(api)) == -(-len(found) // 2) > 1


async def test_a_read_that_finds_nothing_or_what_is_known_is_recorded_too(api: HttpApi, bob: UUID) -> None:
    _, headers = await api.auditor()
    path = f"/v1/audit/users/{bob}/history"
    assert (await api.client.get(f"/v1/audit/users/{UUID(int=9)}/history", headers=headers)).status_code == 404
    tag = (await api.client.get(path, headers=headers)).headers["ETag"]
    assert (await api.client.get(path, headers={**headers, "If-None-Match": tag})).status_code == 304
    assert (await api.client.head(path, headers=headers)).status_code == 200
    assert [read.aggregate_id for read in reads_in(api)] == [UUID(int=9), bob, bob, bob]


async def test_what_cannot_be_recorded_is_not_answered(
    api: HttpApi, bob: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = await api.auditor()

    async def fail(*_: object) -> None:
        raise Unavailable("PostgreSQL")

    monkeypatch.setattr(api.store, "append", fail)
    answer = await api.client.get(f"/v1/audit/users/{bob}/history", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "email_verified" not in answer.text


async def test_a_dismissed_auditor_is_refused_at_the_next_request_whatever_the_token_says(
    api: HttpApi, bob: UUID
) -> None:
    olga, headers = await api.auditor()
    path = f"/v1/audit/users/{bob}/history"
    await api.send(DISMISS)
    # The sessions have ended; so that the role alone is looked at, here is a token of another one.
    assert (await api.client.get(path, headers=headers)).status_code == 401
    refused = await api.client.get(path, headers=api.token(olga, auditor=True))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_an_auditor")
    assert reads_in(api) == []


async def test_the_history_of_a_closed_account_stays_readable(api: HttpApi, bob: UUID) -> None:
    _, headers = await api.auditor()
    user = await api.store.load(User, bob)
    assert user is not None
    user.deactivate(now=api.time.now)
    user.erase(now=api.time.now)
    await api.store.append([user], CommandContext(None, UUID(int=0)), None)
    answer = await api.client.get(f"/v1/audit/users/{bob}/history", headers=headers)
    assert [each["action"] for each in answer.json()["items"]][:2] == ["erased", "deactivated"]
