"""Nothing personal and nothing secret leaks: canaries go in wherever a client can put words, and are looked for."""

import asyncio
import re
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from application.bus import Bus
from application.identity.user import VerifyEmail
from application.ports import Actor, CommandContext
from infra.bootstrap.write_side import utc_now
from tests.support.roles import running
from tests.support.servers import Database
from tests.support.stores import open_store, rows

CANARY = "canary4711"
FRIEND = f"{CANARY}-friend@example.org"
PASSWORD = f"{CANARY} umber cartwheel tenfold"
WRITTEN = ("stored_events", "snapshots", "claims", "data_keys", "idempotency")

TOPICS = "SELECT DISTINCT topic FROM stored_events"
ABOUT_ADDRESSES = {"document.shared", "team.member_invited"}

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
    team = write(client, "POST", "/v1/teams", {"name": f"{CANARY} team", "slug": CANARY}, 201)
    know_others(client, path, f"/v1/teams/{team['id']}")
    for query in (f"?cursor={CANARY}", f"?sort={CANARY}", f"?{CANARY}=1"):
        assert client.get(f"/v1/documents{query}").status_code == 422
    assert client.get(f"/v1/documents/{CANARY}").status_code == 422
    assert client.get(f"/v1/{CANARY}").status_code == 404
    assert client.get("/v1/users/me", headers={"Authorization": f"Bearer {CANARY}"}).status_code == 401
    assert client.post("/v1/documents", content=f'{{"{CANARY}'.encode()).status_code == 415


def know_others(client: httpx2.Client, document: str, team: str) -> None:
    """Share and invite: an address that is somebody's, one that is nobody's yet, and what is no address."""
    for email in (FRIEND, f"{CANARY}-nobody@example.org"):
        write(client, "POST", f"{document}/shares", {"email": email, "role": "viewer"}, 200)
        write(client, "PUT", f"{document}/shares", {"email": email, "role": "editor"}, 200)
        write(client, "POST", f"{team}/invitations", {"email": email, "role": "member"}, 200)
    write(client, "POST", f"{document}/shares/revoke", {"email": f"{CANARY}-nobody@example.org"}, 200)
    write(client, "POST", f"{team}/invitations/revoke", {"email": f"{CANARY}-nobody@example.org"}, 200)
    take_part(client, document, team)
    for path in (f"{document}/shares", f"{team}/invitations"):
        write(client, "POST", path, {"email": f"{CANARY} nobody"}, 422)


def befriend(client: httpx2.Client, database: Database) -> None:
    """Register a user who reads mail to their address."""
    account = {"email": FRIEND, "name": f"{CANARY} Friend", "password": PASSWORD}
    friend = write(client, "POST", "/v1/auth/register", account, 201)
    asyncio.run(verify(database, UUID(friend["id"])))


def take_part(client: httpx2.Client, document: str, team: str) -> None:
    """Do, as the friend, what shares and invitations are for."""
    token = {"Authorization": f"Bearer {log_in(client, FRIEND)}"}
    body = {"title": f"{CANARY} t", "content": f"{CANARY} of a friend", "status": "draft"}
    write(client, "PUT", document, body, 200, **token)
    write(client, "POST", f"{team}/invitations/accept", None, 200, **token)


async def verify(database: Database, user_id: UUID) -> None:
    """Note that the user reads mail to their address; no client can say that."""
    async with open_store(database.app_url) as opened:
        bus = Bus(opened.store, {"clock": utc_now}, opened.blind)
        await bus.send(VerifyEmail(user_id=user_id), CommandContext(actor=Actor(user_id), correlation_id=user_id))


def test_no_canary_in_stored_bytes_or_logs(database: Database, redis_url: str, tmp_path: Path) -> None:
    with (
        running(database, redis_url, tmp_path, "api", "projector", "worker") as (url, roles),
        httpx2.Client(base_url=url, timeout=30) as client,
    ):
        befriend(client, database)
        live_a_little(client)
        token = client.headers["Authorization"].removeprefix("Bearer ")
        assert CANARY in client.get("/v1/users/me").text
        streamed = client.get("/v1/events/stream", params={"after": 0, "wait": 0}).text
    logs = b"".join(role.log.read_bytes() for role in roles)
    assert b'"status":201' in logs
    assert {topic for (topic,) in rows(database.admin_url, TOPICS)} >= ABOUT_ADDRESSES
    assert set(re.findall(r"event: palimpsest\.(.+)\.v1", streamed)) >= ABOUT_ADDRESSES
    for secret in (CANARY, CANARY.encode().hex(), token):
        assert secret.encode() not in logs
        assert secret not in streamed
    for table in WRITTEN:
        lines = rows(database.admin_url, f"SELECT t::text FROM {table} t")
        assert lines, table
        for (line,) in lines:
            assert CANARY not in line
            assert CANARY.encode().hex() not in line
