"""Outages of the servers: full, out of connections, frozen, emptied, or with another clock.

Every request is answered in bounded time, no answer is wrong, an error is a problem that says what to do, and the
service recovers without a restart.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from time import sleep
from uuid import uuid4

import httpx2
import psycopg
import pytest
import redis

from infra.local.servers.redis import EmbeddedRedis
from tests.support import servers
from tests.support.api import Account, Api, running_api
from tests.support.http import PASSWORD, Time
from tests.support.roles import frozen
from tests.support.servers import Database, PostgresForTests, redis_admin
from tests.support.stores import rows
from tests.support.waiting import wait_until

HUNG_SECONDS = 30.0
"""The longest that a request may take during an outage."""
"""The longest that a recovery may take."""

Ask = Callable[[], httpx2.Response]


@contextmanager
def service(postgres: PostgresForTests, cache: EmbeddedRedis) -> Iterator[tuple[Api, Account]]:
    """The service on these servers, and the account of a user."""
    with running_api(postgres.app_url, cache.url) as api:
        ada = api.account("pro")
        ada.client.timeout = HUNG_SECONDS
        yield api, ada


def all_at_once(*asks: Ask) -> list[httpx2.Response]:
    """The answers, in order. One that does not come in time fails the test."""
    with ThreadPoolExecutor(len(asks)) as threads:
        return [future.result() for future in [threads.submit(ask) for ask in asks]]


def everything(ada: Account, path: str) -> list[Ask]:
    """One request of each kind."""
    client, title = ada.client, {"title": "Another"}
    login = {"email": ada.email, "password": PASSWORD}
    return [
        lambda: client.post("/v1/documents", json=title, headers={"Idempotency-Key": str(uuid4())}),
        lambda: client.post("/v1/documents", json=title),
        lambda: client.put(path, json={"title": "Notes", "content": "Herons.", "status": "draft"}),
        lambda: client.get(path),
        lambda: client.get("/v1/documents"),
        lambda: client.get(f"{path}/versions"),
        lambda: client.get(f"{path}/versions/1"),
        lambda: client.get("/v1/users/me"),
        lambda: client.get("/v1/subscription"),
        lambda: client.post("/v1/auth/login", json=login),
        lambda: client.get("/health/ready"),
    ]


def honest(answer: httpx2.Response) -> str:
    """The outcome of a request: `ok`, or the code of a problem with a Retry-After header."""
    if answer.status_code < 400:
        return "ok"
    assert answer.status_code == 503, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    return str(answer.json()["code"])


def eventually(ask: Ask, status: int = 200) -> httpx2.Response:
    """Repeat the request until it has that status."""
    answers: list[httpx2.Response] = []

    def is_right() -> bool:
        answers.append(ask())
        return answers[-1].status_code == status

    wait_until(is_right)
    return answers[-1]


def is_well(ada: Account) -> None:
    """Everything works, and what is written is read."""
    eventually(lambda: ada.client.get("/health/ready"))
    title = f"After it all {uuid4()}"
    made = eventually(lambda: ada.client.post("/v1/documents", json={"title": title}), 201)
    token = {"Consistency-Token": made.headers["Consistency-Token"], "Prefer": "wait=5"}
    eventually(lambda: ada.client.get(made.headers["Location"], headers=token))
    listed = eventually(lambda: ada.client.get("/v1/documents?limit=100&sort=-updated_at", headers=token)).json()
    assert title in [item["title"] for item in listed["items"]]


def documents_called(ada: Account, title: str) -> int:
    """The number of her latest documents with that title."""
    is_well(ada)
    return [item["title"] for item in ada.read("/v1/documents?limit=100")["items"]].count(title)


def create(ada: Account, title: str) -> httpx2.Response:
    """Create a document; the title makes the key."""
    key = {"Idempotency-Key": title.replace(" ", "-")}
    return ada.client.post("/v1/documents", json={"title": title}, headers=key)


def fill_disk(server: PostgresForTests, table: str) -> None:
    """Leave no room for the first row of an empty table: the kernel answers ENOSPC, as a full disk does."""
    [(path,)] = rows(
        server.admin_url, "SELECT current_setting('data_directory') || '/' || pg_relation_filepath(%s)", table
    )
    os.unlink(path)
    os.symlink("/dev/full", path)


def make_room(server: PostgresForTests, table: str) -> None:
    """Give the table its file back."""
    rows(server.admin_url, f"TRUNCATE {table}")


def test_a_full_disk_refuses_what_it_cannot_keep_until_there_is_room(
    own_postgres: PostgresForTests, own_redis: EmbeddedRedis
) -> None:
    fill_disk(own_postgres, "idempotency")
    with service(own_postgres, own_redis) as (_, ada):
        path = ada.document()
        with pytest.raises(psycopg.errors.DiskFull):
            rows(
                own_postgres.admin_url,
                "INSERT INTO idempotency VALUES ('', '', gen_random_uuid(), gen_random_uuid(), 1, '\\x0101', now())",
            )
        answers = all_at_once(lambda: create(ada, "Otters"), *everything(ada, path))
        assert honest(answers[0]) == "unavailable"
        assert {honest(answer) for answer in answers} == {"ok", "unavailable"}
        assert documents_called(ada, "Otters") == 0
        make_room(own_postgres, "idempotency")
        assert create(ada, "Otters").status_code == create(ada, "Otters").status_code == 201
        assert documents_called(ada, "Otters") == 1


def test_read_models_without_room_catch_up_when_there_is_some(
    own_postgres: PostgresForTests, own_redis: EmbeddedRedis
) -> None:
    with service(own_postgres, own_redis) as (_, ada):
        is_well(ada)
        fill_disk(own_postgres, "read.team")
        team = ada.write("POST", "/v1/teams", 201, json={"name": "Otters", "slug": "otters"}).headers["Location"]
        without = ada.client.get(team)
        assert int(without.headers["Consistency-Lag"]) > 0
        make_room(own_postgres, "read.team")
        assert eventually(lambda: ada.client.get(team)).json()["slug"] == "otters"
        is_well(ada)


@contextmanager
def crowd(url: str) -> Iterator[None]:
    """Other clients take all remaining connections."""
    with ExitStack() as stack:
        with suppress(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(url))
        yield


def test_when_all_connections_are_taken_those_who_have_some_serve_and_others_wait_for_theirs(
    own_redis: EmbeddedRedis,
) -> None:
    with (
        servers.own_postgres(max_connections="40") as server,
        service(server, own_redis) as (_, ada),
        ExitStack() as later,
    ):
        path = ada.document()
        with crowd(server.app_url):
            answers = all_at_once(*everything(ada, path))
            assert {honest(answer) for answer in answers} <= {"ok", "unavailable"}
            [token] = [answer.headers["Consistency-Token"] for answer in answers if answer.request.method == "PUT"]
            assert ada.read(path, headers={"Consistency-Token": token})["content"] == "Herons."
            other = later.enter_context(running_api(server.app_url, own_redis.url, ready_first=False))
            token = ada.client.headers["Authorization"].removeprefix("Bearer ")
            eve = Account(ada.id, ada.email, other.client(token))
            assert {honest(answer) for answer in all_at_once(*everything(eve, path))} >= {"unavailable", "not_ready"}
        is_well(eve)
        is_well(ada)


def processes(server: PostgresForTests) -> list[int]:
    """The process of the server and its child processes."""
    assert server.pid is not None
    others = rows(server.admin_url, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    return [server.pid, *(pid for (pid,) in others)]


def test_a_frozen_database_is_not_waited_for_for_long(
    own_postgres: PostgresForTests, own_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.postgres.database.DEADLINE_SECONDS", 2.0)
    with service(own_postgres, own_redis) as (_, ada):
        path = ada.document()
        with frozen(*processes(own_postgres)):
            answers = all_at_once(*everything(ada, path))
        assert {honest(answer) for answer in answers} >= {"unavailable", "not_ready"}
        is_well(ada)


def test_requests_in_flight_when_the_database_freezes_get_a_true_answer(
    own_postgres: PostgresForTests, own_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`unavailable`: nothing was changed; `outcome_unknown`: a retry with the same key finds out."""
    monkeypatch.setattr("infra.postgres.database.DEADLINE_SECONDS", 2.0)

    def write(writer: int) -> Iterator[tuple[str, str]]:
        for n in count():
            title = f"{writer}-{n}"
            code = honest(create(ada, title))
            yield title, code
            if code != "ok":
                return

    with service(own_postgres, own_redis) as (_, ada), ThreadPoolExecutor(8) as threads:
        writing = [threads.submit(lambda writer=n: [*write(writer)]) for n in range(8)]  # type: ignore[misc]
        sleep(0.7)
        with frozen(*processes(own_postgres)):
            told = dict(outcome for future in writing for outcome in future.result())
        there = documents(own_postgres, ada)
        for title, code in told.items():
            assert there.count(title) in {"ok": [1], "unavailable": [0], "outcome_unknown": [0, 1]}[code]
        assert {create(ada, title).status_code for title in told} == {201}
        assert sorted(documents(own_postgres, ada)) == sorted(told)


def documents(server: PostgresForTests, ada: Account) -> list[str]:
    """The titles of all documents, without those of `is_well`."""
    is_well(ada)
    return [title for (title,) in rows(server.admin_url, "SELECT title FROM read.document") if "After" not in title]


def test_a_frozen_redis_is_not_waited_for(own_postgres: PostgresForTests, own_redis: EmbeddedRedis) -> None:
    with service(own_postgres, own_redis) as (_, ada):
        path = ada.document()
        with frozen(own_redis.pid):
            assert {honest(answer) for answer in all_at_once(*everything(ada, path))} == {"ok"}
            assert ada.client.get("/health/ready").json()["servers"] == {"database": "up", "redis": "down"}
            is_well(ada)
        is_well(ada)


def test_an_emptied_redis_changes_no_answer(own_postgres: PostgresForTests, own_redis: EmbeddedRedis) -> None:
    with service(own_postgres, own_redis) as (_, ada), redis.Redis.from_url(redis_admin(own_redis.url)) as cache:
        path = ada.document()
        for n in range(20):
            ada.write("PUT", path, json={"title": "Notes", "content": f"{n}", "status": "draft"})
            if n % 3:
                cache.flushall()
            assert ada.read(path)["content"] == f"{n}"
        is_well(ada)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The service's clock."""
    clock = Time()
    for name in ("infra.bootstrap.write_side.utc_now", "infra.bootstrap.api.utc_now"):
        monkeypatch.setattr(name, clock)
    return clock


def test_a_clock_that_jumps_by_five_minutes_spoils_nothing(database: Database, redis_url: str, time: Time) -> None:
    with running_api(database.app_url, redis_url) as api:
        ada = api.account("pro")
        path = ada.document()
        for version, minutes in enumerate((5, -10, 5, 5, -5), start=2):
            first = create(ada, f"At {version}")
            time.pass_by(minutes=minutes)
            again = create(ada, f"At {version}")
            assert (again.status_code, again.content) == (first.status_code, first.content)
            changed = ada.write("PUT", path, json={"title": "Notes", "content": f"{version}", "status": "draft"})
            assert changed.json()["version"] == ada.read(path)["version"] == version
            assert ada.read(f"{path}/versions")["items"][0]["version"] == version
            login = ada.client.post("/v1/auth/login", json={"email": ada.email, "password": PASSWORD})
            time.pass_by(minutes=-5)
            token = {"Authorization": f"Bearer {login.json()['access_token']}"}
            assert ada.client.get("/v1/users/me", headers=token).status_code == 200
            time.pass_by(minutes=5)
        is_well(ada)


def test_a_clock_set_back_over_the_turn_of_a_month_gives_no_quota_twice(
    database: Database, redis_url: str, time: Time
) -> None:
    time.now = datetime(2026, 11, 30, 23, 58, tzinfo=UTC)
    with running_api(database.app_url, redis_url) as api:
        ada = api.account()
        november = [create(ada, f"November {n}").status_code for n in range(6)]
        time.pass_by(minutes=5)
        december = [create(ada, f"December {n}").status_code for n in range(3)]
        time.pass_by(minutes=-5)
        again = [create(ada, f"Again {n}").status_code for n in range(3)]
        assert (november, december, again) == ([201] * 5 + [409], [201] * 3, [201, 201, 409])
        token = create(ada, "Again 1").headers["Consistency-Token"]
        plan = ada.client.get("/v1/subscription", headers={"Consistency-Token": token, "Prefer": "wait=5"}).json()
        assert (plan["documents_used"], plan["resets_at"]) == (5, "2027-01-01T00:00:00Z")
