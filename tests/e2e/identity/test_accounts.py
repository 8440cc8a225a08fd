"""Accounts through the whole service: register, verify, log in, one's own profile and plan."""

from typing import Any

from tests.support.api import Api
from tests.support.http import PASSWORD

NEW_PASSWORD = "another sentence to know"


def post(api: Api, path: str, body: dict[str, str], expect: int) -> Any:
    answer = api.client().post(f"/v1/auth/{path}", json=body)
    assert answer.status_code == expect, answer.text
    return answer.json() if answer.content else None


def test_a_stranger_registers_verifies_their_address_and_finds_themselves(api: Api) -> None:
    email = "ada.lovelace@example.org"
    login = {"email": email, "password": PASSWORD}
    post(api, "register", {"email": "Ada.Lovelace@Example.org", "name": "Ada Lovelace", "password": PASSWORD}, 202)
    api.perform_jobs()
    assert post(api, "login", login, 401)["code"] == "wrong_credentials"
    post(api, "verify", {"token": api.token_in_mail(email)}, 204)
    client = api.client(post(api, "login", login, 200)["access_token"])
    me = client.get("/v1/users/me").json()
    assert (me["email"], me["name"], me["email_verified"]) == (email, "Ada Lovelace", True)
    assert client.get("/v1/subscription").json()["plan"] == "free"


def test_a_forgotten_password_is_replaced_by_a_link(api: Api) -> None:
    ada = api.account()
    post(api, "forgot-password", {"email": ada.email}, 202)
    api.perform_jobs()
    reset = {"token": api.token_in_mail(ada.email, "reset"), "password": NEW_PASSWORD}
    post(api, "reset-password", reset, 204)
    assert post(api, "reset-password", reset, 403)["code"] == "link_not_valid"
    post(api, "login", {"email": ada.email, "password": PASSWORD}, 401)
    post(api, "login", {"email": ada.email, "password": NEW_PASSWORD}, 200)


def test_an_address_has_one_account_however_often_it_is_registered(api: Api) -> None:
    body = {"email": "grace@example.org", "name": "Grace", "password": PASSWORD}
    for email in ("grace@example.org", "GRACE@example.org"):
        post(api, "register", {**body, "email": email}, 202)
    api.perform_jobs()
    post(api, "reset-password", {"token": api.token_in_mail(body["email"], "reset"), "password": NEW_PASSWORD}, 204)
    post(api, "login", {"email": body["email"], "password": NEW_PASSWORD}, 200)


def test_a_weak_password_is_refused_with_the_reason(api: Api) -> None:
    for password, reason in (("a" * 14, "fewer than 15"), ("a" * 20, "Repeats"), ("perasperaadastra", "stolen")):
        refused = post(api, "register", {"email": "weak@example.org", "name": "Weak", "password": password}, 422)
        assert refused["code"] == "weak_password"
        assert reason in refused["detail"]


def test_a_profile_is_changed(api: Api) -> None:
    ada = api.account()
    changed = {"name": "Ada King", "avatar_url": "https://example.org/ada.png"}
    ada.write("PUT", "/v1/users/me", json=changed)
    assert changed.items() <= ada.read("/v1/users/me").items()
    late = ada.client.put("/v1/users/me", json=changed, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "stale_version")


def test_a_password_is_changed(api: Api) -> None:
    ada = api.account()
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    ada.write("POST", "/v1/users/change-password", 204, json=change)
    post(api, "login", {"email": ada.email, "password": NEW_PASSWORD}, 200)


def test_the_plan_shows_what_is_used(api: Api) -> None:
    ada = api.account()
    ada.document()
    plan = ada.read("/v1/subscription")
    assert (plan["plan"], plan["documents_used"], plan["documents_limit"]) == ("free", 1, 5)


def test_an_address_is_changed_and_changed_back(api: Api) -> None:
    ada = api.account()
    new = f"new-{ada.email}"
    ada.client.post("/v1/users/me/email", json={"new_email": new, "current_password": PASSWORD}).raise_for_status()
    for kind in ("new_email", "old_email"):
        post(api, "confirm-email", {"token": api.token_in_mail(ada.email, kind)}, 204)
    login = post(api, "login", {"email": new, "password": PASSWORD}, 200)
    assert api.client(login["access_token"]).get("/v1/users/me").json()["email"] == new
    post(api, "undo-email-change", {"token": api.token_in_mail(new, "undo_email")}, 204)
    post(api, "reset-password", {"token": api.token_in_mail(ada.email, "reset"), "password": NEW_PASSWORD}, 204)
    post(api, "login", {"email": ada.email, "password": NEW_PASSWORD}, 200)


def test_the_documents_of_an_account_that_is_to_be_deleted_are_hidden_until_it_is_kept(api: Api) -> None:
    ada, bob = api.account(), api.account()
    path = ada.document()
    ada.write("POST", f"{path}/shares", json={"email": bob.email, "role": "editor"})
    bob.client.headers["Consistency-Token"] = ada.client.headers["Consistency-Token"]
    change = {"title": "Otters", "content": "", "status": "draft"}
    bob.write("PUT", path, json=change)
    deleted = ada.client.request("DELETE", "/v1/users/me", json={"current_password": PASSWORD})
    assert deleted.status_code == 204, deleted.text
    # The answer was given when no read could pass any more: no token is needed.
    del bob.client.headers["Consistency-Token"]
    assert [bob.client.get(each).status_code for each in (path, f"{path}/versions", f"{path}/versions/1")] == [404] * 3
    assert bob.client.put(path, json=change).status_code == 404
    assert bob.read("/v1/documents")["items"] == []
    assert ada.client.get("/v1/users/me").status_code in (401, 404)
    login = {"email": ada.email, "password": PASSWORD}
    assert post(api, "login", login, 409)["code"] == "deletion_pending"
    kept = api.client().post("/v1/auth/withdraw-deletion", json=login)
    post(api, "login", login, 200)
    bob.client.headers["Consistency-Token"] = kept.headers["Consistency-Token"]
    assert bob.read(path)["title"] == "Otters"


def test_the_history_of_an_account_is_read_from_the_log(api: Api) -> None:
    ada = api.account()
    ada.write("POST", "/v1/users/me/terms", json={"version": "2026-11"})
    assert ada.read("/v1/users/me/history")["items"][0]["action"] == "terms_accepted"
    assert ada.read("/v1/users/me")["terms_version"] == "2026-11"
