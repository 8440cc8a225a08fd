"""Nothing personal and nothing secret leaks: canaries go in wherever a client can put words, and are looked for."""

from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from tests.support.roles import running
from tests.support.servers import Database
from tests.support.stores import rows

CANARY = "canary4711"
PASSWORD = f"{CANARY} umber cartwheel tenfold"
WRITTEN = ("stored_events", "snapshots", "claims", "data_keys", "idempotency")

keys = count(1)


def write(client: httpx2.Client, method: str, path: str, body: Any, expect: int, **headers: str) -> Any:
    """Send a write; every one carries an Idempotency-Key with a canary."""
    key = {"Idempotency-Key": f"{CANARY}-{next(keys)}", **headers}
    answer = client.request(method, path, json=body, headers=key)
    assert answer.status_code == expect, answer.text
    return answer.json()


def log_in(client: httpx2.Client, email: str) -> str:
    answer = write(client, "POST", "/v1/auth/login", {"email": email, "password": PASSWORD}, 200)
    return str(answer["access_token"])


def live_a_little(client: httpx2.Client) -> None:
    """Every kind of word a client can say, well and badly."""
    account = {"email": f"{CANARY}@example.org", "name": f"{CANARY} Ada", "password": PASSWORD}
    write(client, "POST", "/v1/auth/register", account, 201)
    write(client, "POST", "/v1/auth/register", account, 409)
    write(client, "POST", "/v1/auth/register", {**account, "password": CANARY}, 422)
    write(client, "POST", "/v1/auth/register", {**account, CANARY: CANARY}, 422)
    write(client, "POST", "/v1/auth/login", {"email": account["email"], "password": f"{CANARY} wrong"}, 401)
    client.headers["Authorization"] = f"Bearer {log_in(client, account['email'])}"
    profile = {"name": f"{CANARY} B", "avatar_url": f"https://example.org/{CANARY}.png"}
    write(client, "PUT", "/v1/users/me", profile, 200)
    document = write(client, "POST", "/v1/documents", {"title": f"{CANARY} t", "content": f"{CANARY} c"}, 201)
    path = f"/v1/documents/{document['id']}"
    for n in range(105):
        body = {"title": f"{CANARY} t", "content": f"{n} {CANARY} c {n}", "status": "draft"}
        write(client, "PUT", path, body, 200)
    write(client, "POST", f"{path}/versions/2/restore", None, 200)
    write(client, "POST", "/v1/documents", {"title": CANARY * 1000, "content": ""}, 422)
    write(client, "POST", "/v1/teams", {"name": f"{CANARY} team", "slug": CANARY}, 201)
    for query in (f"?cursor={CANARY}", f"?sort={CANARY}", f"?{CANARY}=1"):
        assert client.get(f"/v1/documents{query}").status_code == 422
    assert client.get(f"/v1/documents/{CANARY}").status_code == 422
    assert client.get(f"/v1/{CANARY}").status_code == 404
    assert client.get("/v1/users/me", headers={"Authorization": f"Bearer {CANARY}"}).status_code == 401
    assert client.post("/v1/documents", content=f'{{"{CANARY}'.encode()).status_code == 415


def test_no_canary_in_stored_bytes_or_logs(database: Database, redis_url: str, tmp_path: Path) -> None:
    with (
        running(database, redis_url, tmp_path, "api", "projector", "worker") as (url, roles),
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        live_a_little(client)
        token = client.headers["Authorization"].removeprefix("Bearer ")
        assert CANARY in client.get("/v1/users/me").text
    logs = b"".join(role.log.read_bytes() for role in roles)
    assert b'"status":201' in logs
    for secret in (CANARY, CANARY.encode().hex(), token):
        assert secret.encode() not in logs
    for table in WRITTEN:
        lines = rows(database.admin_url, f"SELECT t::text FROM {table} t")
        assert lines, table
        for (line,) in lines:
            assert CANARY not in line
            assert CANARY.encode().hex() not in line
