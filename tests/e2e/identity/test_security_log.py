"""The security log through the whole service: what was tried with an account, for its user only, and no secrets."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api import Account, Api, running_api
from tests.support.http import PASSWORD
from tests.support.personal_data import columns_with
from tests.support.servers import Cluster, Database, RedisForTests
from tests.support.waiting import wait_until

CANARY = "canary4712"
PATH = "/v1/users/me/security-log"


@pytest.fixture(scope="module")
def own(cluster: Cluster) -> Iterator[Database]:
    """The database of the service."""
    with cluster.database() as database:
        yield database


@pytest.fixture(scope="module")
def api(own: Database, redis_server: RedisForTests) -> Iterator[Api]:
    """The running service."""
    with running_api(own.admin_url, redis_server.url) as running:
        yield running


def log_in(api: Api, email: str, password: str, expect: int) -> str:
    """Log in by a program with a name; answers the token."""
    answer = api.client().post(
        "/v1/auth/login", json={"email": email, "password": password}, headers={"User-Agent": f"{CANARY}-browser"}
    )
    assert answer.status_code == expect, answer.text
    return str(answer.json().get("access_token", ""))


def of(account: Account, *actions: str) -> list[dict[str, Any]]:
    """Return the entries of some actions that the account's user reads, the latest first."""
    return [entry for entry in account.read(PATH)["items"] if entry["action"] in actions]


def test_asvs_16_3_1_logins_are_shown_to_their_user_and_to_no_other(api: Api) -> None:
    ada, eve = api.account(), api.account()
    log_in(api, ada.email, f"{CANARY} wrong", 401)
    log_in(api, f"{CANARY}@example.org", PASSWORD, 401)
    log_in(api, ada.email, PASSWORD, 200)
    wait_until(lambda: len(of(ada, "log_in")) == 2)
    done, refused = of(ada, "log_in")
    assert (done["outcome"], done["reason"]) == ("done", None)
    assert (refused["outcome"], refused["reason"]) == ("refused", "wrong_password")
    assert {entry["user_agent"] for entry in (done, refused)} == {f"{CANARY}-browser"}
    assert {entry["ip_address"] for entry in (done, refused)} == {"127.0.0.1"}
    assert of(eve, "log_in") == []


def test_changes_are_in_the_list_as_soon_as_they_are_answered(api: Api) -> None:
    ada = api.account()
    ada.write("PUT", "/v1/users/me", json={"name": "Countess"})
    assert of(ada, "profile_changed", "email_verified", "registered")[0]["action"] == "profile_changed"
    [first] = ada.read(f"{PATH}?action=registered")["items"]
    assert first["outcome"] == "done"


def test_asvs_16_2_5_no_secret_and_nothing_that_strangers_typed_is_in_the_table(api: Api, own: Database) -> None:
    ada = api.account()
    token = log_in(api, ada.email, PASSWORD, 200)
    log_in(api, f"{CANARY}@example.org", f"{CANARY} password", 401)
    for bad in (f"{CANARY}.{CANARY}", f"{token}x"):
        assert api.client(bad).get("/v1/users/me").status_code == 401
    api.client().post("/v1/auth/verify", json={"token": f"{CANARY} link"})
    wait_until(lambda: len(of(ada, "log_in")) == 1)
    for secret in (CANARY, PASSWORD, token, "127.0.0.1"):
        assert "security_log" not in {table for table, _ in columns_with(own.admin_url, secret)}, secret
