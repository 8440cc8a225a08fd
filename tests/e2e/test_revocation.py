"""Revocation: what takes access away is answered only when no read can pass any more, and 503 until then."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import pytest

from application import revocation
from application.identity.user import Deactivate
from application.ports import NotSettled
from infra.local.servers.redis import EmbeddedRedis
from tests.support.api import Account, Api, running_api
from tests.support.servers import Cluster, Database

SETTLE_TIMEOUT = 0.3
QUARANTINE = """
INSERT INTO projection_quarantine (projection, stream_id, position, error) VALUES ('document_access', %s, 1, 'Poison')
"""


@dataclass
class World:
    """The service, its database, and people who share a document and a team."""

    api: Api
    database: Database
    owner: Account
    other: Account
    document: str
    lent: str
    link: str
    team: str

    def send(self, by: Account, method: str, path: str, body: Any = None, key: str | None = None) -> httpx2.Response:
        """Send a request, with an Idempotency-Key where one is given."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return by.client.request(method, path, json=body, headers=headers)

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Keep every projection from moving."""
        with psycopg.connect(self.database.admin_url) as connection:
            connection.execute("SELECT FROM projections FOR UPDATE")
            yield


@pytest.fixture(scope="module")
def service(cluster: Cluster, redis_server: EmbeddedRedis) -> Iterator[tuple[Api, Database]]:
    with cluster.database() as database, running_api(database.admin_url, redis_server.url) as api:
        yield api, database


@pytest.fixture
def world(service: tuple[Api, Database], monkeypatch: pytest.MonkeyPatch) -> World:
    api, database = service
    owner, other = api.account("pro", verified=True), api.account("pro", verified=True)
    document = owner.document()
    owner.write("POST", f"{document}/shares", json={"email": other.email, "role": "editor"})
    owner.write("POST", f"{document}/ownership-offer", json={"email": other.email})
    made = owner.write("POST", f"{document}/links", 201, json={"role": "viewer"})
    owner.write("POST", f"{document}/publication", 201, json={})
    founded = owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": f"crew-{owner.id.hex[-12:]}"})
    team = founded.headers["Location"]
    owner.write("POST", f"{team}/invitations", json={"email": other.email, "role": "admin"})
    other.write("POST", f"{team}/invitations/accept")
    owner.write("POST", f"{team}/invitations", json={"email": "invited@example.org", "role": "editor"})
    lent = f"{owner.document()}/team-shares/{team.rpartition('/')[2]}"
    owner.write("PUT", lent, json={"role": "editor"})
    owner.write("POST", f"{team}/ownership-offer", json={"user_id": str(other.id)})
    # Everything is projected before a test stalls the projections.
    for account in (owner, other):
        account.client.headers["Consistency-Token"] = other.client.headers["Consistency-Token"]
        account.read(document)
        account.read(team)
    monkeypatch.setattr(revocation, "SETTLE_TIMEOUT", SETTLE_TIMEOUT)
    return World(api, database, owner, other, document, lent, made.headers["Location"], team)


REVOKING: dict[str, Any] = {
    "share lowered": lambda w: (w.owner, "PUT", f"{w.document}/shares", {"email": w.other.email, "role": "viewer"}),
    "share revoked": lambda w: (w.owner, "POST", f"{w.document}/shares/revoke", {"email": w.other.email}),
    "link revoked": lambda w: (w.owner, "DELETE", w.link, None),
    "publication withdrawn": lambda w: (w.owner, "DELETE", f"{w.document}/publication", None),
    "document left": lambda w: (w.other, "DELETE", f"{w.document}/shares/me", None),
    "document given away": lambda w: (w.other, "POST", f"{w.document}/ownership-offer/accept", None),
    "document not offered": lambda w: (w.owner, "DELETE", f"{w.document}/ownership-offer", None),
    "loan lowered": lambda w: (w.owner, "PUT", w.lent, {"role": "viewer"}),
    "document taken back": lambda w: (w.owner, "DELETE", w.lent, None),
    "document trashed": lambda w: (w.owner, "DELETE", w.document, None),
    "role lowered": lambda w: (w.owner, "PUT", f"{w.team}/members/{w.other.id}", {"role": "editor"}),
    "member removed": lambda w: (w.owner, "DELETE", f"{w.team}/members/{w.other.id}", None),
    "member left": lambda w: (w.other, "POST", f"{w.team}/leave", None),
    "ownership transferred": lambda w: (w.other, "POST", f"{w.team}/ownership-offer/accept", None),
    "dissolution requested": lambda w: (w.owner, "DELETE", w.team, None),
    "invitation revoked": lambda w: (
        w.owner, "POST", f"{w.team}/invitations/revoke", {"email": "invited@example.org"}
    ),
}  # fmt: skip


def refused_as_not_settled(answer: httpx2.Response) -> None:
    """Check the answer to a command that was carried out, and whose effect reads may still miss."""
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "not_settled"
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("change", REVOKING)
def test_a_revocation_is_answered_once_the_read_models_have_it(world: World, change: str) -> None:
    by, method, path, body = REVOKING[change](world)
    with world.stalled():
        refused_as_not_settled(world.send(by, method, path, body, key=change.replace(" ", "-")))
        refused_as_not_settled(world.send(by, method, path, body, key=change.replace(" ", "-")))
    answer = world.send(by, method, path, body, key=change.replace(" ", "-"))
    assert answer.status_code in (200, 204), answer.text
    assert answer.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("change", ["share revoked", "member removed", "document trashed", "role lowered"])
def test_repeating_a_revocation_without_a_key_is_answered_no_earlier(world: World, change: str) -> None:
    by, method, path, body = REVOKING[change](world)
    with world.stalled():
        refused_as_not_settled(world.send(by, method, path, body))
        refused_as_not_settled(world.send(by, method, path, body))
    assert world.send(by, method, path, body).status_code == 200


def test_an_invited_person_who_declines_is_no_longer_shown_the_team(world: World) -> None:
    invited = world.api.account(verified=True)
    world.owner.write("POST", f"{world.team}/invitations", json={"email": invited.email, "role": "editor"})
    invited.client.headers["Consistency-Token"] = world.owner.client.headers["Consistency-Token"]
    invited.read(world.team)
    with world.stalled():
        refused_as_not_settled(world.send(invited, "POST", f"{world.team}/invitations/decline"))


def test_closing_an_account_is_answered_once_its_profile_is_gone(world: World) -> None:
    command = Deactivate()
    with world.stalled(), pytest.raises(NotSettled):
        world.api.send(command, world.owner.id)


def test_after_a_revocation_was_answered_nothing_is_read_without_a_token(world: World) -> None:
    del world.other.client.headers["Consistency-Token"]
    world.send(world.owner, "POST", f"{world.document}/shares/revoke", {"email": world.other.email})
    assert world.other.client.get(world.document).status_code == 404


def test_a_revocation_on_a_quarantined_stream_is_not_acknowledged(world: World) -> None:
    document_id = world.document.rpartition("/")[2]
    with psycopg.connect(world.database.admin_url) as connection:
        connection.execute(QUARANTINE, [document_id])
    refused_as_not_settled(
        world.send(world.owner, "POST", f"{world.document}/shares/revoke", {"email": world.other.email})
    )
    with psycopg.connect(world.database.admin_url) as connection:
        connection.execute("DELETE FROM projection_quarantine")


def test_what_takes_no_access_away_is_answered_while_projections_stall(world: World) -> None:
    with world.stalled():
        answers = [
            world.send(world.owner, "POST", "/v1/documents", {"title": "New"}),
            world.send(world.owner, "PUT", world.document, {"title": "T", "content": "C", "status": "draft"}),
            world.send(world.owner, "PUT", world.document, {"title": "T", "content": "C", "status": "draft"}),
            world.send(world.owner, "PUT", world.team, {"name": "Renamed"}),
        ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200]
