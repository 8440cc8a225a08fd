"""A projector that is killed in the middle of its work takes it up where it was: nothing is missed or done twice."""

from collections.abc import Callable
from pathlib import Path

import httpx2
import psycopg

from infra.projector.rebuild.rebuild import rebuild
from projections.kernel import read_models
from tests.support.accounts import open_account_in
from tests.support.http import PASSWORD
from tests.support.roles import RoleProcess, running
from tests.support.servers import Database
from tests.support.stores import open_store, rows
from tests.support.waiting import wait_until

WAITING = """
SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE datname = current_database() AND relation = %s::regclass AND NOT granted
"""


async def test_a_projector_killed_in_the_middle_of_its_work_makes_up_for_it(
    database: Database, redis_url: str, tmp_path: Path
) -> None:
    with (
        running(database, redis_url, tmp_path, "api", "projector") as (url, (_, projector)),
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        await log_in(client, database)
        paths = [write(client, "POST", "/v1/documents", "first").headers["Location"] for _ in range(3)]
        for table in ("document", "document_version"):
            wait_until(lambda: caught_up(client, paths[0]))
            kill_while_it_writes(projector, database, table, lambda: change(client, paths, "before the end"))
            change(client, paths, "after the end")
            projector.start()
        wait_until(lambda: caught_up(client, paths[0]))
        for path in paths:
            assert client.get(path).json()["content"] == "after the end"
            assert [each["version"] for each in client.get(f"{path}/versions").json()["items"]] == [5, 4, 3, 2, 1]
    await check_against_the_log(database)


async def check_against_the_log(database: Database) -> None:
    """See that every read model is what the whole log makes."""
    async with open_store(database.app_url) as opened:
        for model in read_models():
            found = await rebuild(model, opened.feed(), database.app_url, swap=False)
            assert (found.differing, found.quarantined) == (0, 0), model.name


async def log_in(client: httpx2.Client, database: Database) -> None:
    """Open an account, and log in."""
    who = {"email": "ada@example.org", "password": PASSWORD}
    async with open_store(database.app_url) as opened:
        await open_account_in(opened, who["email"], "Ada", PASSWORD)
    token = client.post("/v1/auth/login", json=who).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


def write(client: httpx2.Client, method: str, path: str, content: str) -> httpx2.Response:
    """Write a document; the next reads shall show it."""
    status = {"status": "draft"} if method == "PUT" else {}
    answer = client.request(method, path, json={"title": "Notes", "content": content, **status})
    assert answer.is_success, answer.text
    client.headers["Consistency-Token"] = answer.headers["Consistency-Token"]
    return answer


def caught_up(client: httpx2.Client, path: str) -> bool:
    """Whether reads show what was written last."""
    answers = [client.get(path), client.get(f"{path}/versions")]
    return all(answer.status_code == 200 and "Consistency-Lag" not in answer.headers for answer in answers)


def change(client: httpx2.Client, paths: list[str], content: str) -> None:
    """Give all documents another content."""
    for path in paths:
        write(client, "PUT", path, content)


def kill_while_it_writes(projector: RoleProcess, database: Database, table: str, cause: Callable[[], None]) -> None:
    """Kill the projector in the middle of a transaction, in which it is about to write to the table."""
    with psycopg.connect(database.admin_url) as connection:
        connection.execute(f"LOCK TABLE read.{table} IN SHARE MODE".encode())
        cause()
        wait_until(lambda: bool(rows(database.admin_url, WAITING, f"read.{table}")))
        projector.kill()
