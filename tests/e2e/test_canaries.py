"""Nothing personal and nothing secret leaks: canaries go in wherever a client can put words, and are looked for.

They are looked for in every table, every key of Redis and every file, those of the database too, before and after an
erasure.
"""

import asyncio
import json
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from infra.local.servers.process import free_port
from infra.personal_data import REDIS_KEYS, TABLES
from tests.support.accounts import open_account_in
from tests.support.canaries import Canaries, files_of
from tests.support.personal_data import columns_with, redis_keys, register_entry
from tests.support.roles import environment, running
from tests.support.servers import Database
from tests.support.stores import open_store, rows
from tests.support.waiting import wait_until

CANARIES = Canaries()
CANARY = CANARIES.mark
FRIEND = f"{CANARY}-friend@example.org"
PASSWORD = f"{CANARY} umber cartwheel tenfold"

USERS = "SELECT originator_id FROM stored_events WHERE topic = 'user.registered'"
LOG_TOPICS = "SELECT DISTINCT topic FROM stored_events"
ABOUT_ADDRESSES = {"document.shared", "team.member_invited"}

keys = count(1)


def write(client: httpx2.Client, method: str, path: str, body: Any, expect: int, **headers: str) -> Any:
    """Send a write; every one carries an Idempotency-Key with a canary."""
    key = {"Idempotency-Key": f"{CANARY}-{next(keys)}", **headers}
    answer = client.request(method, path, json=body, headers=key)
    assert answer.status_code == expect, answer.text
    return answer.json() if answer.content else None


def log_in(client: httpx2.Client, email: str) -> str:
    answer = write(client, "POST", "/v1/auth/login", {"email": email, "password": PASSWORD}, 200)
    return str(answer["access_token"])


def live_a_little(client: httpx2.Client, database: Database) -> str:
    """Every kind of word a client can say, well and badly. Returns the path of a document."""
    account = {"email": f"{CANARY}@example.org", "name": f"{CANARY} Ada", "password": PASSWORD}
    asyncio.run(verified(database, account["email"], account["name"]))
    for email in (account["email"], f"{CANARY}-new@example.org"):
        write(client, "POST", "/v1/auth/register", {**account, "email": email}, 202)
        for path in ("resend-verification", "forgot-password"):
            write(client, "POST", f"/v1/auth/{path}", {"email": email}, 202)
    write(client, "POST", "/v1/auth/verify", {"token": CANARY}, 403)
    write(client, "POST", "/v1/auth/reset-password", {"token": CANARY, "password": PASSWORD}, 403)
    write(client, "POST", "/v1/auth/register", {**account, "password": CANARY * 100}, 422)
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
    write(client, "PUT", f"{path}/versions/2/name", {"name": f"{CANARY} version"}, 204)
    write(client, "PUT", f"{path}/tags", {"tags": [CANARY]}, 204)
    write(client, "POST", "/v1/folders", {"name": f"{CANARY} folder"}, 201)
    write(client, "POST", f"{path}/links", {"role": "viewer", "password": PASSWORD}, 201)
    write(client, "POST", "/v1/share-links/open", {"token": CANARY * 6, "password": PASSWORD}, 404)
    write(client, "POST", "/v1/documents", {"title": CANARY * 1000, "content": ""}, 422)
    write(client, "PUT", "/v1/users/me/provider-key", {"key": f"sk-{CANARY}-pays-the-provider"}, 200)
    write(client, "PUT", "/v1/users/me/provider-key", {"key": f"sk-refused-{CANARY}-pays-nothing"}, 422)
    wish = {"prompt": f"{CANARY} prompt", "variables": {"tone": CANARY}, "place": {"target": "draft"}}
    write(client, "POST", f"{path}/generate", wish, 202)
    write(client, "POST", f"{path}/generate", {**wish, "prompt": f"{CANARY} flag:violence"}, 202)
    team = write(client, "POST", "/v1/teams", {"name": f"{CANARY} team", "slug": CANARY}, 201)
    know_others(client, path, f"/v1/teams/{team['id']}")
    for query in (f"?cursor={CANARY}", f"?sort={CANARY}", f"?{CANARY}=1"):
        assert client.get(f"/v1/documents{query}").status_code == 422
    assert client.get(f"/v1/documents/{CANARY}").status_code == 422
    assert client.get(f"/v1/{CANARY}").status_code == 404
    assert client.get("/v1/users/me", headers={"Authorization": f"Bearer {CANARY}"}).status_code == 401
    assert client.post("/v1/documents", content=f'{{"{CANARY}'.encode()).status_code == 415
    return path


def know_others(client: httpx2.Client, document: str, team: str) -> None:
    """Share and invite: an address with an account, one without, and a text that is no address."""
    for email in (FRIEND, f"{CANARY}-nobody@example.org"):
        write(client, "POST", f"{document}/shares", {"email": email, "role": "viewer"}, 200)
        write(client, "PUT", f"{document}/shares", {"email": email, "role": "editor"}, 200)
        write(client, "POST", f"{team}/invitations", {"email": email, "role": "editor"}, 200)
    write(client, "POST", f"{document}/shares/revoke", {"email": f"{CANARY}-nobody@example.org"}, 200)
    write(client, "POST", f"{team}/invitations/revoke", {"email": f"{CANARY}-nobody@example.org"}, 200)
    take_part(client, document, team)
    for path in (f"{document}/shares", f"{team}/invitations"):
        write(client, "POST", path, {"email": f"{CANARY} nobody"}, 422)


def take_part(client: httpx2.Client, document: str, team: str) -> None:
    """Do, as the friend, what shares and invitations are for."""
    token = {"Authorization": f"Bearer {log_in(client, FRIEND)}"}
    body = {"title": f"{CANARY} t", "content": f"{CANARY} of a friend", "status": "draft"}
    write(client, "PUT", document, body, 200, **token)
    write(client, "POST", f"{team}/invitations/accept", None, 200, **token)


async def verified(database: Database, email: str, name: str) -> None:
    """Open an account with a verified address."""
    async with open_store(database.app_url) as opened:
        await open_account_in(opened, email, name, PASSWORD)


def erase_everything(database: Database, redis_url: str, folder: Path) -> None:
    """Erase all users, then what is left of the canaries: an address without an account."""
    settings = environment(database, redis_url, free_port(), folder)
    users = [str(id) for (id,) in rows(database.admin_url, USERS)]
    for arguments in (*(["user", id] for id in users), ["address", f"{CANARY}-nobody@example.org"]):
        command = [sys.executable, "-m", "infra.cli.main", "erase", *arguments, "--yes"]
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["erased"] == arguments[0]
        assert CANARY not in done.stdout + done.stderr


def mails_with_canaries(folder: Path) -> list[str]:
    """The names of the mails that are kept, with a canary in them."""
    return [file.name for file in (folder / "mail").glob("*.eml") if CANARY.encode() in file.read_bytes()]


def check_register(database: Database, redis_url: str) -> None:
    """Canaries are readable only where the register says so; and there they are, or this would test nothing."""
    clear = {(name, column) for name, place in TABLES.items() for column in place.clear}
    assert {*columns_with(database.admin_url, CANARY)} == clear
    readable = {register_entry(key) for key, value in redis_keys(redis_url).items() if CANARY.encode() in value}
    assert readable == {prefix for prefix, place in REDIS_KEYS.items() if place.clear}


def test_h7_canaries_are_readable_only_where_the_register_says_and_nowhere_once_erased(
    database: Database, redis_url: str, tmp_path: Path
) -> None:
    heap, _ = files_of(database)
    with (
        running(database, redis_url, tmp_path, "api", "projector", "worker") as (url, roles),
        httpx2.Client(base_url=url, timeout=30, headers={"User-Agent": f"{CANARY}-browser"}) as client,
    ):
        asyncio.run(verified(database, FRIEND, f"{CANARY} Friend"))
        document = live_a_little(client, database)
        token = client.headers["Authorization"].removeprefix("Bearer ")
        assert CANARY in client.get("/v1/users/me").text
        assert CANARY in client.get(document).text
        streamed = client.get("/v1/events/stream", params={"after": 0, "wait": 0}).text
        assert {topic for (topic,) in rows(database.admin_url, LOG_TOPICS)} >= ABOUT_ADDRESSES
        check_register(database, redis_url)
        assert mails_with_canaries(tmp_path) != []
        rows(database.admin_url, "CHECKPOINT")
        assert CANARIES.files_with(heap) != []
        erase_everything(database, redis_url, tmp_path)
        wait_until(lambda: mails_with_canaries(tmp_path) == [])
        assert [*columns_with(database.admin_url, CANARY)] == []
        assert [key for key, value in redis_keys(redis_url).items() if CANARY.encode() in value] == []
        assert client.get(document).status_code == 401  # its session has ended, too
    for statement in ("VACUUM FULL", "CHECKPOINT"):
        rows(database.admin_url, statement)
    assert CANARIES.files_with(heap) == []
    logs = b"".join(role.log.read_bytes() for role in roles)
    assert b'"status":201' in logs
    assert set(re.findall(r"event: palimpsest\.(.+)\.v1", streamed)) >= ABOUT_ADDRESSES
    for secret in (CANARY, CANARY.encode().hex(), token):
        assert secret not in streamed
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes(), file
