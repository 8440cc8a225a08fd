"""Erasure: once it is answered, what was erased can be read nowhere (H7)."""

from collections.abc import Iterator
from time import sleep
from typing import Any
from uuid import UUID

import psycopg
import pytest
import redis

from application.content.document import BindShare
from application.identity.authentication import WrongCredentials
from application.identity.sessions import LogIn
from application.ports import Actor, CommandContext, NotSettled
from application.privacy.erasure import EraseAddress, EraseDocument, EraseTeam, EraseUser
from domain.content.document import Document
from infra.local.servers.redis import EmbeddedRedis
from infra.sealing.blind_index import BlindIndex
from infra.store.event_store import PostgresEventStore
from tests.support.api import Account, Api, running_api
from tests.support.http import PASSWORD
from tests.support.servers import Cluster, Database, redis_admin
from tests.support.stores import BLIND_KEY, rows


@pytest.fixture(scope="module")
def service(cluster: Cluster, redis_server: EmbeddedRedis) -> Iterator[tuple[Api, Database]]:
    with cluster.database() as database, running_api(database.admin_url, redis_server.url) as api:
        yield api, database


@pytest.fixture
def api(service: tuple[Api, Database]) -> Api:
    return service[0]


def id_of(path: str) -> UUID:
    return UUID(path.rpartition("/")[2])


def team_of(owner: Account) -> str:
    body = {"name": "Crew", "slug": f"crew-{owner.id.hex[-12:]}"}
    return str(owner.write("POST", "/v1/teams", 201, json=body).headers["Location"])


def test_h7_an_erased_document_is_read_nowhere_at_once(api: Api) -> None:
    owner = api.account("pro", verified=True)
    path = owner.document()
    owner.read(path)
    owner.read(f"{path}/versions/1")
    api.send(EraseDocument(id=id_of(path)))
    del owner.client.headers["Consistency-Token"]
    for read in (path, f"{path}/versions", f"{path}/versions/1", f"{path}/shares"):
        assert owner.client.get(read).status_code == 404, read


def test_h7_an_erased_text_is_not_in_redis_after_the_cache_had_lost_its_state(
    api: Api, redis_server: EmbeddedRedis
) -> None:
    owner = api.account("pro", verified=True)
    path = owner.document()
    id = id_of(path)
    with redis.Redis.from_url(redis_admin(redis_server.url)) as cache:
        for _ in range(500):
            owner.read(path)
            if found := cache.keys(f"palimpsest:document:*:{id}"):
                break
            sleep(0.01)
        [entry] = found
        cache.delete(entry.decode().removesuffix(f":{id}"))
        api.send(EraseDocument(id=id))
        assert not cache.exists(entry)


def test_an_erased_user_is_gone_with_their_documents_and_their_address_is_free(api: Api) -> None:
    user, other = api.account("pro", verified=True), api.account("pro", verified=True)
    own, others = user.document(), other.document("Theirs")
    other.write("POST", f"{others}/shares", json={"email": user.email, "role": "editor"})
    user.client.headers["Consistency-Token"] = other.client.headers["Consistency-Token"]
    user.write("PUT", others, json={"title": "Theirs", "content": "Edited.", "status": "draft"})
    other.client.headers["Consistency-Token"] = user.client.headers["Consistency-Token"]
    assert api.send(EraseUser(id=user.id)).complete
    del user.client.headers["Consistency-Token"]
    for path in ("/v1/users/me", own, others):
        assert user.client.get(path).status_code == 401, path
    assert is_erased(api, own)
    assert other.read(others)["content"] == "Edited."
    assert other.read(f"{others}/shares") == []
    with pytest.raises(WrongCredentials):
        api.send(LogIn(email=user.email, password=PASSWORD))
    again = {"email": user.email, "name": "Ada", "password": PASSWORD}
    assert api.client().post("/v1/auth/register", json=again).status_code == 202
    api.perform_jobs()
    assert api.token_in_mail(user.email)


def test_a_share_that_an_erased_user_had_bound_under_a_former_address_is_revoked(api: Api) -> None:
    owner, user = api.account("pro", verified=True), api.account()
    path, former = owner.document(), "former@example.org"
    owner.write("POST", f"{path}/shares", json={"email": former, "role": "viewer"})
    holder = Actor(user.id, BlindIndex(BLIND_KEY).address_id(former))
    api.run(api.deps.send(BindShare(id=id_of(path)), CommandContext(holder, user.id)))
    assert api.send(EraseUser(id=user.id)).complete
    del owner.client.headers["Consistency-Token"]
    assert owner.client.get(f"{path}/shares").json() == []


def test_a_repeated_erasure_finds_nothing_to_do(api: Api) -> None:
    user = api.account(verified=True)
    api.send(EraseUser(id=user.id))
    step = api.send(EraseUser(id=user.id))
    assert (step.changed, step.complete) == (0, True)


def test_h7_a_repeated_erasure_waits_for_what_an_interrupted_one_has_erased(
    api: Api, service: tuple[Api, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The documents are found no more, as the table that lists them has followed."""
    monkeypatch.setattr("application.revocation.SETTLE_TIMEOUT", 0.5)
    owner = api.account("pro", verified=True)
    owner.read(f"{owner.document(title='to be forgotten')}/versions")
    titles = "SELECT FROM read.document_version WHERE title = 'to be forgotten'"
    with psycopg.connect(service[1].admin_url) as holder:
        holder.execute("SELECT FROM projections WHERE name = 'document_version' FOR UPDATE")
        for _ in range(2):
            with pytest.raises(NotSettled):
                api.send(EraseUser(id=owner.id))
        assert holder.execute(f"SELECT EXISTS ({titles})").fetchone() == (True,)
    api.send(EraseUser(id=owner.id))
    assert rows(service[1].admin_url, f"SELECT EXISTS ({titles})") == [(False,)]


def test_an_erased_team_is_gone_and_its_slug_is_free(api: Api) -> None:
    owner = api.account("pro", verified=True)
    path = team_of(owner)
    api.send(EraseTeam(id=id_of(path)))
    del owner.client.headers["Consistency-Token"]
    assert owner.client.get(path).status_code == 404
    team_of(owner)


def test_an_erased_address_loses_its_shares_and_can_be_used_again(api: Api) -> None:
    owner, reader = api.account("pro", verified=True), api.account(verified=True)
    path = owner.document()
    share: dict[str, Any] = {"email": reader.email, "role": "viewer"}
    owner.write("POST", f"{path}/shares", json=share)
    api.send(EraseAddress(id=BlindIndex(BLIND_KEY).address_id(reader.email)))
    assert owner.read(f"{path}/shares") == []
    assert reader.client.get(path).status_code == 404
    owner.write("POST", f"{path}/shares", json=share)
    assert owner.read(f"{path}/shares") == [{**share, "used": False}]


def test_a_user_without_a_verified_address_leaves_the_shares_of_that_address(api: Api) -> None:
    owner, pretender = api.account("pro", verified=True), api.account(verified=False)
    path = owner.document()
    owner.write("POST", f"{path}/shares", json={"email": pretender.email, "role": "viewer"})
    api.send(EraseUser(id=pretender.id))
    assert [each["email"] for each in owner.read(f"{path}/shares")] == [pretender.email]


def test_an_erasure_leaves_a_receipt_and_no_key_snapshot_claim_or_answer(
    api: Api, service: tuple[Api, Database]
) -> None:
    owner = api.account("pro", verified=True)
    path = owner.document()
    for n in range(101):
        body = {"title": "T", "content": str(n), "status": "draft"}
        owner.write("PUT", path, json=body, headers={"Idempotency-Key": f"key-{n}"})
    store, url, subjects = api.deps.history, service[1].admin_url, [owner.id, id_of(path)]
    assert isinstance(store, PostgresEventStore)
    api.run(store.drain())
    tables = {"snapshots": "originator_id", "claims": "originator_id", "idempotency": "subject_id"}
    of_them = "SELECT FROM {} WHERE {} = ANY(%s)"
    assert all(rows(url, of_them.format(*each), subjects) for each in tables.items())
    api.send(EraseUser(id=owner.id))
    kept = rows(url, "SELECT wrapped, erased_at, length(receipt) FROM data_keys WHERE subject_id = ANY(%s)", subjects)
    assert [(wrapped, erased_at is not None, length) for wrapped, erased_at, length in kept] == [(None, True, 25)] * 2
    assert not any(rows(url, of_them.format(*each), subjects) for each in tables.items())


def test_a_user_with_many_documents_is_erased_step_by_step(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.privacy.erasing.MAX_EVENTS", 2)
    user = api.account("pro", verified=True)
    paths = [user.document() for _ in range(5)]
    steps = 1
    while not api.send(EraseUser(id=user.id)).complete:
        steps += 1
    assert 3 <= steps <= 5
    del user.client.headers["Consistency-Token"]
    assert {user.client.get(path).status_code for path in paths} == {401}
    assert all(is_erased(api, path) for path in paths)


def is_erased(api: Api, path: str) -> bool:
    """Whether the document was erased."""
    document = api.run(api.deps.history.load(Document, UUID(path.rpartition("/")[2])))
    return document is not None and document.erased
