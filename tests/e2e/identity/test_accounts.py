"""Accounts through the whole service: register, log in, one's own profile and plan."""

from tests.support.api import Api
from tests.support.http import PASSWORD


def test_a_stranger_registers_logs_in_and_finds_themselves(api: Api) -> None:
    client = api.client()
    body = {"email": "Ada.Lovelace@Example.org", "name": "Ada Lovelace", "password": PASSWORD}
    registered = client.post("/v1/auth/register", json=body)
    assert registered.status_code == 201, registered.text
    assert client.get(registered.headers["Location"]).status_code == 401
    login = client.post("/v1/auth/login", json={"email": "ada.lovelace@example.org", "password": PASSWORD})
    assert login.status_code == 200, login.text
    client.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    me = client.get("/v1/users/me", headers={"Consistency-Token": registered.headers["Consistency-Token"]})
    assert (me.status_code, me.json()) == (200, registered.json())


def test_an_address_registers_once(api: Api) -> None:
    body = {"email": "grace@example.org", "name": "Grace", "password": PASSWORD}
    first, again = (api.client().post("/v1/auth/register", json=body) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()["code"]) == (201, 409, "taken")
    assert "grace" not in again.text


def test_a_weak_password_is_refused_with_the_reason(api: Api) -> None:
    for password, reason in (("a" * 14, "fewer than 15"), ("a" * 20, "Repeats")):
        body = {"email": "weak@example.org", "name": "Weak", "password": password}
        answer = api.client().post("/v1/auth/register", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
        assert reason in answer.json()["detail"]


def test_a_profile_is_changed(api: Api) -> None:
    ada = api.account()
    changed = {"name": "Ada King", "avatar_url": "https://example.org/ada.png"}
    ada.write("PUT", "/v1/users/me", json=changed)
    assert changed.items() <= ada.read("/v1/users/me").items()
    late = ada.client.put("/v1/users/me", json=changed, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "stale_version")


def test_the_plan_shows_what_is_used(api: Api) -> None:
    ada = api.account()
    ada.document()
    plan = ada.read("/v1/subscription")
    assert (plan["plan"], plan["documents_used"], plan["documents_limit"]) == ("free", 1, 5)
