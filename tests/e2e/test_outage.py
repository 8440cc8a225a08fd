"""The database goes away and comes back: answers say so while it lasts, and nothing has to be restarted."""

from collections.abc import Iterator

import pytest

from infra.local.servers.redis import EmbeddedRedis
from projections.kernel import read_models
from tests.support.api import Api, running_api
from tests.support.servers import PostgresForTests
from tests.support.stores import rows
from tests.support.waiting import wait_until


@pytest.fixture
def api(own_postgres: PostgresForTests, own_redis: EmbeddedRedis) -> Iterator[Api]:
    """The service, on servers to kill."""
    with running_api(own_postgres.admin_url, own_redis.url) as running:
        yield running


def test_without_the_database_answers_say_so_and_with_it_all_goes_on(api: Api, own_postgres: PostgresForTests) -> None:
    ada = api.account()
    path = ada.document()
    assert ada.read(path)["title"] == "Notes"
    own_postgres.kill()
    for method, where, body in (
        ("POST", "/v1/documents", {"title": "x"}),
        ("GET", "/v1/documents", None),
        ("GET", "/health/ready", None),
    ):
        answer = ada.client.request(method, where, json=body)
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json"), answer.text
        assert int(answer.headers["Retry-After"]) >= 1
    assert ada.client.get("/health/live").status_code == 200
    own_postgres.start()
    wait_until(lambda: ada.client.get("/health/ready").status_code == 200)
    ada.document("Later")
    wait_until(lambda: "Consistency-Lag" not in ada.client.get("/v1/documents").headers)
    assert [each["title"] for each in ada.read("/v1/documents")["items"]] == ["Later", "Notes"]


def test_before_a_read_model_is_rebuilt_in_a_new_version_answers_say_so(
    api: Api, own_postgres: PostgresForTests
) -> None:
    """After an update the table has the columns of the earlier version for a while."""
    ada = api.account()
    ada.document()
    for column, version, status in (
        ("later", 1, 503),
        ("hidden", next(model.version for model in read_models() if model.name == "user_profile"), 200),
    ):
        former = "hidden" if column == "later" else "later"
        rows(own_postgres.admin_url, f"ALTER TABLE read.user_profile RENAME COLUMN {former} TO {column}")
        rows(own_postgres.admin_url, "UPDATE projections SET version = %s WHERE name = 'user_profile'", version)
        for path in ("/v1/documents", "/health/ready"):
            assert ada.client.get(path).status_code == status


def test_without_redis_nothing_fails(api: Api, own_redis: EmbeddedRedis) -> None:
    ada = api.account()
    path = ada.document()
    own_redis.kill()
    for _ in range(3):
        assert ada.read(path)["title"] == "Notes"
    ready = ada.client.get("/health/ready")
    assert (ready.status_code, ready.json()["servers"]["redis"]) == (200, "down")
    own_redis.start()
    wait_until(lambda: ada.client.get("/health/ready").json()["servers"]["redis"] == "up")
    assert ada.read(path)["title"] == "Notes"


def test_a_read_that_cannot_be_new_enough_says_by_how_much(api: Api) -> None:
    ada = api.account()
    path = ada.document()
    assert ada.read(path)["title"] == "Notes"
    ahead = str(int(ada.client.headers["Consistency-Token"]) + 3)
    answer = ada.client.get(path, headers={"Consistency-Token": ahead, "Prefer": "wait=0"})
    assert (answer.status_code, answer.headers["Consistency-Lag"]) == (200, "3")
