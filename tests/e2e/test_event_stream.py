"""The event stream over HTTP: events in order, only to users who may read them, without loss on reconnecting."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import jsonschema_rs
import pytest
from uuid_utils.compat import uuid7

from adapters.integration_events.contract import published, schema_of
from adapters.realtime import sse
from application.ports import Actor, CommandContext
from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.kernel import Party
from infra.bootstrap.write_side import utc_now
from infra.sealing.blind_index import BlindIndex
from projections.content.document import document
from projections.kernel import models_read_by
from projections.teams.team_roster import members
from projections.visibility import readers_of
from tests.support.accounts import open_account_in
from tests.support.api import Account, Api, running_api
from tests.support.http import PASSWORD
from tests.support.roles import running
from tests.support.servers import PROJECT, Cluster, Database
from tests.support.sse import STREAM, Happened, heard, listening
from tests.support.stores import BLIND_KEY, destroy_keys, open_store
from tests.support.waiting import wait_until

CREATED = "palimpsest.document.created.v1"
SAVED = "palimpsest.document.saved.v1"


def change(owner: Account, path: str, content: str) -> None:
    owner.write("PUT", path, json={"title": "Notes", "content": content, "status": "draft"})


def share(owner: Account, path: str, friend: Account, role: str = "viewer") -> None:
    owner.write("POST", f"{path}/shares", json={"email": friend.email, "role": role})


def revoke(owner: Account, path: str, friend: Account) -> None:
    owner.write("POST", f"{path}/shares/revoke", json={"email": friend.email})


def id_of(path: str) -> str:
    return path.rpartition("/")[2]


def about(path: str, found: list[Happened]) -> list[str]:
    """The kinds of events about a document."""
    return [each.type.split(".")[2] for each in found if each.data.get("document_id") == id_of(path)]


def test_what_one_does_comes_at_once_and_in_order(api: Api) -> None:
    ada = api.account("pro")
    with listening(ada.client) as stream:
        path = ada.document()
        change(ada, path, "Otters, two.")
        found = stream.some(2)
        assert stream.retry == 2000
    assert [each.type for each in found] == [CREATED, SAVED]
    assert found[0].id < found[1].id
    assert found[0].data["document_id"] == id_of(path)
    assert (found[0].data["content_length"], found[1].data["characters_inserted"]) == (7, 5)


def test_what_comes_is_true_to_the_published_schema(api: Api) -> None:
    ada = api.account("free")
    ada.document()
    found = heard(ada.client)
    assert {each.type.split(".")[1] for each in found} == {"user", "subscription", "document"}
    for each in found:
        jsonschema_rs.validate(schema_of(published()[each.type]), each.data, validate_formats=True)


def test_nobody_hears_of_others(api: Api) -> None:
    ada, eve = api.account("pro"), api.account("pro")
    path = ada.document()
    ada.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": f"crew-{ada.id}"[:40]})
    own = {str(eve.id), str(Subscription.id_of(Party("user", eve.id)))}
    assert all(own & set(map(str, each.data.values())) for each in heard(eve.client))
    assert "created" not in about(path, heard(eve.client))
    assert {each.type for each in heard(ada.client)} >= {CREATED, "palimpsest.team.founded.v1"}


def test_a_reader_hears_of_a_document_while_it_is_shared_with_them(api: Api) -> None:
    ada, bob = api.account("pro", verified=True), api.account("pro", verified=True)
    path = ada.document()
    with listening(bob.client, types=",".join(published())) as stream:
        change(ada, path, "Before.")
        share(ada, path, bob)
        change(ada, path, "While.")
        assert about(path, stream.some(1)) == ["saved"]
        revoke(ada, path, bob)
        change(ada, path, "After.")
        bob.document()
        assert about(path, stream.some(1)) == []
    assert about(path, heard(bob.client)) == []
    assert about(path, heard(ada.client)) == ["created", "saved", "shared", "saved", "share_revoked", "saved"]


def test_a_guest_hears_of_a_document_until_its_link_is_revoked(api: Api) -> None:
    ada, bob = api.account("pro", verified=True), api.account("pro", verified=True)
    path = ada.document()
    link = ada.write("POST", f"{path}/links", 201, json={"role": "viewer"})
    with listening(bob.client, types=",".join(published())) as stream:
        change(ada, path, "Before.")
        bob.document()
        assert about(path, stream.some(1)) == []
        bob.write("POST", "/v1/share-links/open", 201, json={"token": link.json()["token"]})
        change(ada, path, "While.")
        assert about(path, stream.some(1)) == ["saved"]
        ada.write("DELETE", link.headers["Location"], 204)
        change(ada, path, "After.")
        bob.document()
        assert about(path, stream.some(1)) == []
    assert about(path, heard(bob.client)) == []


def test_of_shares_the_owner_hears_and_nobody_else(api: Api) -> None:
    ada, bob, eve = (api.account("pro", verified=True) for _ in range(3))
    path = ada.document()
    share(ada, path, bob, "editor")
    share(ada, path, eve)
    ada.write("PUT", f"{path}/shares", json={"email": eve.email, "role": "commenter"})
    revoke(ada, path, eve)
    assert about(path, heard(ada.client)) == ["created", "shared", "shared", "share_changed", "share_revoked"]
    assert about(path, heard(bob.client)) == ["created"]
    assert [each.client.get(f"{path}/shares").status_code for each in (ada, bob)] == [200, 403]


def test_of_invitations_admins_hear_and_members_do_not(api: Api) -> None:
    ada, bob, eve = (api.account("pro", verified=True) for _ in range(3))
    team = ada.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": f"host-{ada.id}"[:40]}).headers["Location"]
    for account, role in ((bob, "admin"), (eve, "editor")):
        ada.write("POST", f"{team}/invitations", json={"email": account.email, "role": role})
        account.write("POST", f"{team}/invitations/accept")
    for path in ("", "/revoke"):
        ada.write("POST", f"{team}/invitations{path}", json={"email": "grace@example.org"})

    def kinds(account: Account) -> set[str]:
        return {each.type.split(".")[2] for each in heard(account.client) if ".team." in each.type}

    assert kinds(eve) == {"founded", "invitation_accepted"}
    assert kinds(ada) == kinds(bob) == {*kinds(eve), "member_invited", "invitation_revoked"}
    ada.write("PUT", f"{team}/members/{bob.id}", json={"role": "editor"})
    assert kinds(bob) == kinds(eve) | {"member_role_changed"}


def test_an_unverified_address_hears_nothing_of_what_is_shared_with_it(api: Api) -> None:
    ada, bob = api.account("pro", verified=True), api.account("pro", verified=False)
    path = ada.document()
    share(ada, path, bob)
    assert about(path, heard(bob.client)) == []


def test_members_hear_of_their_team_until_they_leave(api: Api) -> None:
    ada, bob = api.account("pro", verified=True), api.account("pro", verified=True)
    team = ada.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": f"band-{ada.id}"[:40]}).headers["Location"]
    ada.write("POST", f"{team}/invitations", json={"email": bob.email, "role": "editor"})
    assert not [each for each in heard(bob.client) if ".team." in each.type]
    bob.write("POST", f"{team}/invitations/accept")
    assert [each.type.split(".")[2] for each in heard(bob.client) if ".team." in each.type] == [
        "founded",
        "invitation_accepted",
    ]
    ada.write("DELETE", f"{team}/members/{bob.id}", 200)
    assert not [each for each in heard(bob.client) if ".team." in each.type]


def test_who_comes_again_with_the_last_id_misses_nothing_and_gets_nothing_twice(api: Api) -> None:
    ada = api.account("pro")
    path = ada.document()
    with listening(ada.client) as stream:
        change(ada, path, "One.")
        first = stream.some(1)
        last_id = stream.last_id
    for n in range(5):
        change(ada, path, f"Missed {n}.")
    with listening(ada.client, last_id) as stream:
        change(ada, path, "Live again.")
        again = stream.some(6)
    everything = heard(ada.client, types=SAVED)
    assert [*first, *again] == everything
    assert [each.id for each in everything] == sorted({each.id for each in everything})


def test_a_position_of_the_future_is_the_end_of_the_log(api: Api) -> None:
    ada = api.account("pro")
    with listening(ada.client, 10**17) as stream:
        ada.document()
        assert [each.type for each in stream.some(1)] == [CREATED]


def test_only_the_types_that_are_asked_for_come(api: Api) -> None:
    ada = api.account("pro")
    change(ada, ada.document(), "More.")
    assert [each.type for each in heard(ada.client, types=SAVED)] == [SAVED]
    assert [each.type for each in heard(ada.client, types=f"{SAVED},{CREATED}")] == [CREATED, SAVED]


def test_a_limit_ends_the_stream_and_the_next_goes_on(api: Api) -> None:
    ada = api.account("pro")
    for _ in range(3):
        ada.document()
    with listening(ada.client, after=0, types=CREATED, limit=2) as stream:
        first = stream.rest()
        last_id = stream.last_id
    assert len(first) == 2
    assert [*first, *heard(ada.client, last_id, types=CREATED)] == heard(ada.client, types=CREATED)


def test_a_quiet_stream_beats_and_moves_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.1)
    ada, bob = api.account("pro"), api.account("pro")
    with listening(ada.client, wait=2) as stream:
        before = int(stream.last_id)
        bob.document()
        assert stream.rest() == []
        assert stream.comments > 3
        assert int(stream.last_id) > before


def refused(api: Api, expect: int, path: str = STREAM, **headers: str) -> str:
    answer = api.client().get(path, headers=headers)
    assert answer.status_code == expect, answer.text
    return str(answer.json()["code"])


def test_who_asks_for_the_head_alone_gets_it_at_once(api: Api) -> None:
    answer = api.account().client.head(STREAM)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"


async def open_ada(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        await open_account_in(opened, "ada@example.org", "Ada", PASSWORD)


def test_an_api_that_is_stopped_lets_its_listeners_go(database: Database, redis_url: str, tmp_path: Path) -> None:
    with (
        running(database, redis_url, tmp_path, "api", "projector") as (url, (api, _)),
        httpx2.Client(base_url=url) as client,
    ):
        asyncio.run(open_ada(database))
        login = client.post("/v1/auth/login", json={"email": "ada@example.org", "password": PASSWORD})
        token = login.json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        with listening(client) as stream:
            started = time.monotonic()
            api.stop()
            assert stream.rest() == []
        assert time.monotonic() - started < 8


def test_without_a_token_there_is_no_stream(api: Api) -> None:
    assert refused(api, 401) == "unauthenticated"
    assert refused(api, 401, Authorization="Bearer nonsense") == "unauthenticated"


def test_what_cannot_be_understood_is_refused(api: Api) -> None:
    token = str(api.account().client.headers["Authorization"])
    assert refused(api, 400, Authorization=token, **{"Last-Event-ID": "tomorrow"}) == "malformed"
    for query in ("types=document.created", "types=", "after=-1", "limit=0", "wait=9999", "until=1"):
        assert refused(api, 422, f"{STREAM}?{query}", Authorization=token) == "not_valid"


@pytest.fixture
def brief_tokens(api: Api) -> Iterator[None]:
    """Tokens are good for two seconds."""
    lifetime, api.deps.tokens.lifetime = api.deps.tokens.lifetime, 2
    yield
    api.deps.tokens.lifetime = lifetime


def test_the_stream_ends_when_the_token_expires(api: Api, brief_tokens: None) -> None:
    client = api.client(api.token(api.account().id))
    started = time.monotonic()
    with listening(client) as stream:
        assert stream.rest() == []
    assert time.monotonic() - started < 10
    assert client.get(STREAM).status_code == 401


def test_asvs_8_3_2_the_stream_ends_when_its_session_ends(api: Api) -> None:
    ada = api.account()
    with listening(ada.client, wait=60) as stream:
        [session] = [each for each in ada.client.get("/v1/users/me/sessions").json() if each["current"]]
        other = api.client(api.token(ada.id))
        assert other.delete(f"/v1/users/me/sessions/{session['id']}").status_code == 204
        assert stream.rest() == []
    assert ada.client.get(STREAM).status_code == 401


def test_one_user_has_only_so_many_streams_and_gets_them_back(api: Api) -> None:
    ada, bob = api.account(), api.account()
    with ExitStack() as open:
        for _ in range(10):
            open.enter_context(listening(ada.client))
        answer = ada.client.get(STREAM, params={"wait": 0})
        assert (answer.status_code, answer.json()["code"]) == (503, "too_many_streams")
        assert answer.headers["Retry-After"] == "30"
        assert heard(bob.client)
    wait_until(lambda: ada.client.get(STREAM, params={"wait": 0}).status_code == 200)


def test_all_users_together_have_only_so_many_streams(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.deps.live._shares, "_total", 1)
    with listening(api.account().client):
        assert api.account().client.get(STREAM, params={"wait": 0}).json()["code"] == "too_many_streams"


EDITS = 20_000
"""More than fits into the buffers between the server and a client that does not read."""


def edit_often(api: Api, ada: Account, path: str) -> None:
    async def edit() -> int:
        edited = await api.deps.history.load(Document, UUID(id_of(path)))
        assert edited is not None
        for n in range(EDITS):
            edited.change(title="Notes", content=str(n), status="draft", by=Actor(ada.id), now=utc_now())
        position = await api.deps.history.append([edited], CommandContext(Actor(ada.id), uuid7()), None)
        assert isinstance(position, int)
        return position

    position = api.run(edit())
    for name in models_read_by(readers_of):
        assert api.run(api.deps.positions.wait(name, position, 120)) == 0


def listeners(api: Api) -> dict[UUID, int]:
    """How many streams each user has open."""
    return api.deps.live._shares._users


def test_a_client_that_reads_nothing_is_cut_and_loses_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = api.account("pro")
    edit_often(api, ada, ada.document())
    parts = urlsplit(api.url)
    with socket.socket() as slow, monkeypatch.context() as impatient:
        # Only while no client reads: on a busy machine a client that reads must not be disconnected.
        impatient.setattr(sse, "SEND_TIMEOUT_SECONDS", 0.5)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((parts.hostname, parts.port))
        token = ada.client.headers["Authorization"]
        slow.sendall(f"GET {STREAM}?after=0 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n".encode())
        slow.settimeout(120)
        assert slow.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: ada.id not in listeners(api))
    assert len(heard(ada.client, types=SAVED)) == EDITS


def test_many_listen_at_once_and_each_gets_their_own(api: Api) -> None:
    people = [api.account("pro") for _ in range(12)]

    def listen(account: Account) -> list[str]:
        with listening(account.client, types=CREATED) as stream:
            ready.append(account)
            return [each.data["document_id"] for each in stream.some(3)]

    ready: list[Account] = []
    with ThreadPoolExecutor(len(people)) as threads:
        listeners = [threads.submit(listen, account) for account in people]
        wait_until(lambda: len(ready) == len(people))
        wanted = [[id_of(account.document()) for _ in range(3)] for account in people]
        assert [listener.result() for listener in listeners] == wanted


def test_the_log_is_followed_only_while_somebody_listens(api: Api) -> None:
    with listening(api.account().client):
        assert api.deps.live._follower is not None
    wait_until(lambda: api.deps.live._follower is None)


def test_what_is_forgotten_is_told_as_before_since_lengths_are_no_texts(cluster: Cluster, redis_url: str) -> None:
    with cluster.database() as database:
        with running_api(database.admin_url, redis_url) as api:
            ada = api.account("pro")
            path = ada.document()
            change(ada, path, "Otters, many.")
            before = heard(ada.client, types=f"{CREATED},{SAVED}")
            assert [each.data["content_length"] for each in before] == [7, 13]
            token = ada.client.headers["Authorization"].removeprefix("Bearer ")
        destroy_keys(database.admin_url, UUID(id_of(path)))
        with running_api(database.admin_url, redis_url) as api:
            assert heard(api.client(token), types=f"{CREATED},{SAVED}") == before


def test_the_example_of_the_readme_works(api: Api, tmp_path: Path) -> None:
    (command,) = re.findall(
        r"```sh\n(curl [^`]*/events/stream[^`]*)```", (PROJECT / "adapters" / "realtime" / "README.md").read_text()
    )
    ada = api.account("pro")
    path = ada.document("Hello", "A first draft.")
    (tmp_path / "auth").write_text(f"Authorization: {ada.client.headers['Authorization']}")
    given = {"API": f"{api.url}/v1", "AUTH": str(tmp_path / "auth")}
    assert shutil.which("curl"), "This test runs the README's example, which needs curl: install it."
    ran = subprocess.run(["sh", "-c", command], env={**os.environ, **given}, capture_output=True, text=True, check=True)
    first, event, end = ran.stdout.split("\n\n")
    assert first == "retry: 2000\nid: 0"
    assert event.splitlines()[1] == f"event: {CREATED}"
    data = json.loads(event.splitlines()[2].removeprefix("data: "))
    assert (data["document_id"], data["title_length"], data["content_length"]) == (id_of(path), 5, 14)
    assert end == ""


def test_the_rule_for_many_is_the_rule_for_one(api: Api) -> None:
    ada, bob, eve = (api.account("pro", verified=True) for _ in range(3))
    paths = [ada.document() for _ in range(2)]
    share(ada, paths[0], bob)
    team = ada.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": f"rule-{ada.id}"[:40]}).headers["Location"]
    for path in (f"{team}/members", *(f"{path}/shares" for path in paths)):
        ada.read(path)  # the rows are there
    rows, documents, team_id = api.deps.rows, [UUID(id_of(path)) for path in paths], UUID(id_of(team))
    readers = api.run(readers_of(rows, documents, [team_id]))
    for account in (ada, bob, eve):
        actor = Actor(account.id, BlindIndex(BLIND_KEY).address_id(account.email))
        for id in documents:
            assert readers[id].include(actor) == (api.run(document(rows, actor, id)) is not None)
            assert readers[id].include(actor, managers=True) == (
                account.client.get(f"/v1/documents/{id}/shares").status_code == 200
            )
        roles = {member.user_id: member.role for member in api.run(members(rows, actor, team_id)) or []}
        assert readers[team_id].include(actor) == bool(roles)
        assert readers[team_id].include(actor, managers=True) == (roles.get(account.id) in ("owner", "admin"))
    assert api.run(readers_of(rows, [uuid7()], [uuid7()])) == {}
