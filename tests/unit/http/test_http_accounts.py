"""Accounts over HTTP: requests that reveal nothing, links, and passwords."""

from itertools import count
from typing import Any

import pytest

from application.identity.account import IssueLockdownLink
from application.jobs import perform
from application.ports import MICROSECONDS
from infra.limits.local_limits import LocalLimits
from tests.support.accounts import token_of
from tests.support.http import PASSWORD, HttpApi, open_http_api
from tests.support.limits import request_limits

NEW_PASSWORD = "another sentence to know"
ADA, EVE = "ada@example.org", "eve@example.org"
REQUESTS = {
    "/v1/auth/register": {"name": "Somebody", "password": PASSWORD},
    "/v1/auth/resend-verification": {},
    "/v1/auth/forgot-password": {},
}


async def post(api: HttpApi, path: str, body: dict[str, str], **headers: str) -> Any:
    return await api.client.post(f"/v1/{path}", json=body, headers=headers)


async def work(api: HttpApi) -> None:
    """Perform the jobs that wait."""

    async def send(command: Any, key: str) -> None:
        await api.send(command)

    ports = {"events": api.store, "send": send}
    for job, _ in api.jobs.waiting:
        await perform(job, ports)
    api.jobs.waiting.clear()


@pytest.mark.parametrize(("path", "more"), REQUESTS.items(), ids=REQUESTS)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "key"}], ids=["no key", "a key"])
async def test_asvs_6_3_8_an_answer_does_not_show_whether_the_address_has_an_account(
    path: str, more: dict[str, str], key: dict[str, str]
) -> None:
    hours = count(0, 3_600 * MICROSECONDS)  # so that each request finds its limits as the first one did
    limits = request_limits(LocalLimits(clock=lambda: next(hours)))
    async with open_http_api(limits=limits) as api:
        await api.account("ada")
        answers = [
            await api.client.post(path, json={"email": email, **more}, headers=key) for email in (ADA, EVE, ADA, EVE)
        ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    assert {tuple(each.headers) for each in answers} == {tuple(answers[0].headers)}
    headers = [{name: value for name, value in each.headers.items() if name != "x-request-id"} for each in answers]
    assert headers == headers[:1] * 4
    assert not {"consistency-token", "location", "etag", "idempotency-replayed"} & headers[0].keys()
    assert len(api.jobs.waiting) == 4


async def test_a_registered_user_verifies_their_address_and_logs_in(api: HttpApi) -> None:
    await post(api, "auth/register", {"email": ADA, "name": "Ada", "password": PASSWORD})
    login = {"email": ADA, "password": PASSWORD}
    assert (await post(api, "auth/login", login)).json()["code"] == "wrong_credentials"
    await work(api)
    refused = await post(api, "auth/login", login)
    assert (refused.status_code, refused.json()["code"]) == (401, "wrong_credentials")
    token = await token_of(api.store, api.links, api.store.log[0].originator_id)
    verified = [await post(api, "auth/verify", {"token": token}, **{"Idempotency-Key": "key"}) for _ in range(2)]
    assert [(each.status_code, each.content) for each in verified] == [(204, b"")] * 2
    assert (await post(api, "auth/login", login)).status_code == 200


async def test_a_new_password_is_set_by_a_link(api: HttpApi) -> None:
    user_id, _ = await api.account("ada")
    await post(api, "auth/forgot-password", {"email": ADA})
    await work(api)
    token = await token_of(api.store, api.links, user_id, "reset")
    weak = await post(api, "auth/reset-password", {"token": token, "password": "weak"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    assert (await post(api, "auth/reset-password", {"token": token, "password": NEW_PASSWORD})).status_code == 204
    statuses = [
        (await post(api, "auth/login", {"email": ADA, "password": each})).status_code
        for each in (PASSWORD, NEW_PASSWORD)
    ]
    assert statuses == [401, 200]


async def test_asvs_6_5_1_a_used_a_wrong_and_a_mangled_link_are_refused_alike(api: HttpApi) -> None:
    user_id, _ = await api.account("ada")
    await post(api, "auth/forgot-password", {"email": ADA})
    await work(api)
    used = await token_of(api.store, api.links, user_id, "reset")
    await post(api, "auth/reset-password", {"token": used, "password": NEW_PASSWORD})
    for token in (used, used.swapcase(), "x", "no token", "\U0001f9a6" * 128):
        for path, more in (("auth/verify", {}), ("auth/reset-password", {"password": PASSWORD})):
            answer = await post(api, path, {"token": token, **more})
            assert (answer.status_code, answer.json()["code"]) == (403, "link_not_valid")
            assert answer.json()["detail"].startswith("This link is not valid any more")


async def test_a_password_is_changed_by_the_user(api: HttpApi) -> None:
    _, token = await api.account("ada")
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    anonymous = await post(api, "users/change-password", change)
    wrong = await post(api, "users/change-password", {**change, "current_password": "wrong"}, **token)
    changed = await post(api, "users/change-password", change, **token)
    assert (anonymous.status_code, wrong.json()["code"], changed.status_code) == (401, "wrong_password", 204)
    assert (await post(api, "auth/login", {"email": ADA, "password": NEW_PASSWORD})).status_code == 200


async def test_what_is_wrong_with_a_registration_is_said_for_every_address(api: HttpApi) -> None:
    await api.account("ada")
    for email in (ADA, EVE):
        weak = await post(api, "auth/register", {"email": email, "name": "Ada", "password": "weak"})
        assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    bad = await post(api, "auth/register", {"email": "no address", "name": "Ada", "password": PASSWORD})
    assert (bad.status_code, bad.json()["code"]) == (422, "unusable_email")


async def test_an_address_changes_by_two_links_and_back_by_one(api: HttpApi) -> None:
    user_id, token = await api.account("ada")
    asked = {"new_email": "ada@example.com", "current_password": PASSWORD}
    answers = [
        await post(api, "users/me/email", {**asked, "new_email": email}, **(await api.account(name))[1])
        for name, email in (("bob", ADA), ("carol", EVE))
    ]
    assert {(each.status_code, each.content) for each in answers} == {(202, answers[0].content)}
    assert (await post(api, "users/me/email", asked, **token)).content == answers[0].content
    for kind in ("new_email", "old_email"):
        link = await token_of(api.store, api.links, user_id, kind)
        assert (await post(api, "auth/confirm-email", {"token": link})).status_code == 204
    login = {"email": asked["new_email"], "password": PASSWORD}
    assert (await post(api, "auth/login", login)).status_code == 200
    undo = {"token": await token_of(api.store, api.links, user_id, "undo_email")}
    assert (await post(api, "auth/undo-email-change", undo)).status_code == 204
    assert (await post(api, "auth/undo-email-change", undo)).json()["code"] == "link_not_valid"
    assert (await post(api, "auth/login", login)).status_code == 401


async def test_an_account_is_deleted_and_kept_after_all(api: HttpApi) -> None:
    _, token = await api.account("ada")
    wrong, right = [
        await api.client.request("DELETE", "/v1/users/me", json={"current_password": text}, headers=token)
        for text in ("wrong", PASSWORD)
    ]
    assert (wrong.json()["code"], right.status_code, right.content) == ("wrong_password", 204, b"")
    login = {"email": ADA, "password": PASSWORD}
    pending = await post(api, "auth/login", login)
    assert (pending.status_code, pending.json()["code"]) == (409, "deletion_pending")
    unknown = await post(api, "auth/withdraw-deletion", {**login, "password": "wrong"})
    assert (unknown.status_code, unknown.json()["code"]) == (401, "wrong_credentials")
    assert (await post(api, "auth/withdraw-deletion", login)).status_code == 204
    assert (await post(api, "auth/login", login)).status_code == 200


async def test_an_account_is_locked_by_a_link(api: HttpApi) -> None:
    user_id, _ = await api.account("ada")
    await api.send(IssueLockdownLink(user_id=user_id))
    link = {"token": await token_of(api.store, api.links, user_id, "lockdown")}
    assert [(await post(api, "auth/lockdown", link)).status_code for _ in range(2)] == [204, 403]
    assert (await post(api, "auth/login", {"email": ADA, "password": PASSWORD})).status_code == 401


async def test_terms_are_accepted_at_the_registration_or_later(api: HttpApi) -> None:
    body = {"email": EVE, "name": "Eve", "password": PASSWORD}
    assert (await post(api, "auth/register", {**body, "terms_version": "2026-11"})).status_code == 202
    assert (await post(api, "auth/register", {**body, "terms_version": "a text"})).status_code == 422
    await work(api)
    assert [event.TOPIC for event in api.store.log[:2]] == ["user.registered", "user.terms_accepted"]  # type: ignore[attr-defined]
    _, token = await api.account("ada")
    accepted = await post(api, "users/me/terms", {"version": "2027-1"}, **token)
    assert (accepted.status_code, accepted.json()["terms_version"]) == (200, "2027-1")


async def test_the_history_of_an_account_says_who_and_when_and_holds_no_words(api: HttpApi) -> None:
    _, token = await api.account("ada")
    answer = await api.client.get("/v1/users/me/history", params={"limit": "2"}, headers=token)
    page = answer.json()
    assert [each["action"] for each in page["items"]] == ["email_verified", "verification_requested"]
    assert [(each["version"], each["type"]) for each in page["items"]] == [
        (3, "user.email_verified"),
        (2, "user.verification_requested"),
    ]
    assert "ada" not in answer.text.lower()
    rest = await api.client.get("/v1/users/me/history", params={"cursor": page["next"]}, headers=token)
    assert [each["action"] for each in rest.json()["items"]] == ["registered"]
