"""Clients that behave badly: too many at once, reading nothing, disconnecting. Other clients are not affected."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from uuid import uuid4

import msgspec
import pytest

from infra.local.servers.redis import EmbeddedRedis
from tests.chaos.run import customer
from tests.support.api import running_api
from tests.support.roles import RoleProcess, running
from tests.support.servers import Cluster, Database
from tests.support.stores import open_store, rows
from tests.support.wire import Connection, Reply, Wires, message

CLIENTS = 500
HUNG_SECONDS = 60.0
LARGE = 900_000
"""Characters: more than the buffers of a connection take."""


@dataclass(frozen=True)
class Service:
    """The real API, and a customer of it."""

    url: str
    roles: list[RoleProcess]
    database: Database
    headers: dict[str, str]

    def log(self) -> str:
        """What the API had to say."""
        return self.roles[0].log.read_text()

    def documents(self) -> int:
        """How many there are."""
        [(count,)] = rows(
            self.database.admin_url, "SELECT count(*) FROM stored_events WHERE topic = 'document.created'"
        )
        return int(count)


@pytest.fixture(scope="module")
def service(
    cluster: Cluster, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """API and projector as processes, on a database of their own. Whatever was done to them, the API never failed."""
    folder = tmp_path_factory.mktemp("roles")
    with (
        cluster.database() as database,
        running(database, redis_server.url, folder, "api", "projector") as (url, roles),
    ):
        service = Service(url, roles, database, asyncio.run(somebody(database)))
        yield service
        assert '"request failed"' not in service.log()


async def somebody(database: Database) -> dict[str, str]:
    """What says who asks."""
    async with open_store(database.app_url) as opened:
        return (await customer(opened, "rude")).headers


async def create(wires: Wires, service: Service, key: str, content: str = "") -> Reply:
    """Create a document."""
    body = msgspec.json.encode({"title": key, "content": content})
    return await wires.request("POST", service.url, "/v1/documents", {**service.headers, "Idempotency-Key": key}, body)


async def is_well(service: Service) -> None:
    """Another client writes and reads without a long wait."""
    wires = Wires()
    async with asyncio.timeout(HUNG_SECONDS):
        made = await create(wires, service, str(uuid4()))
        token = {"Consistency-Token": made.headers["consistency-token"], "Prefer": "wait=5"}
        read = await wires.request("GET", service.url, made.headers["location"], {**service.headers, **token})
    wires.close()
    assert (made.status, read.status, read.body) == (201, 200, made.body)


async def test_five_hundred_clients_at_once_are_all_served(service: Service) -> None:
    wires, before = Wires(), service.documents()

    async def use(client: int) -> tuple[Reply, Reply]:
        made = await create(wires, service, f"client-{client}")
        token = {"Consistency-Token": made.headers["consistency-token"], "Prefer": "wait=5"}
        return made, await wires.request("GET", service.url, made.headers["location"], {**service.headers, **token})

    async with asyncio.timeout(HUNG_SECONDS):
        answers = await asyncio.gather(*(use(client) for client in range(CLIENTS)))
    wires.close()
    assert {made.status for made, _ in answers} == {201}
    assert len({made.headers["consistency-token"] for made, _ in answers}) == CLIENTS
    fresh = [(made, read) for made, read in answers if "consistency-lag" not in read.headers]
    assert fresh, "no read was in time"
    assert all((read.status, read.body) == (200, made.body) for made, read in fresh)
    assert {read.status for _, read in answers} <= {200, 404}
    assert service.documents() == before + CLIENTS
    await is_well(service)


async def test_clients_that_read_nothing_hold_up_nobody(service: Service) -> None:
    wires = Wires()
    path = (await create(wires, service, "large", "x" * LARGE)).headers["location"]
    deaf = [await Connection.open(service.url) for _ in range(20)]
    for connection in deaf:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        connection.writer.write(message("GET", path, service.headers) * 4)
    for _ in range(5):
        await is_well(service)
    for connection in deaf:
        connection.close()
    wires.close()
    await is_well(service)


STAGES = {
    "connected": 0.0,
    "half of the headers": 0.1,
    "half of the body": 0.6,
    "all but the last byte": 0.999,
}


@pytest.mark.parametrize("share", STAGES.values(), ids=STAGES)
async def test_a_request_that_is_cut_before_its_end_changes_nothing(share: float, service: Service) -> None:
    before = service.documents()
    body = msgspec.json.encode({"title": "Never", "content": "x" * 2_000})
    whole = message("POST", "/v1/documents", service.headers, body)
    for linger in (True, False):
        cut = [await Connection.open(service.url) for _ in range(20)]
        for connection in cut:
            connection.writer.write(whole[: int(len(whole) * share)])
            await connection.writer.drain()
        if linger:
            await is_well(service)
        for connection in cut:
            connection.writer.transport.abort()
    await is_well(service)
    assert service.documents() == before + 2  # written by the check of the other client


async def test_a_body_that_does_not_come_in_is_not_waited_for_for_ever(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.http.api.body.BODY_TIMEOUT_SECONDS", 0.2)
    headers = await somebody(database)
    with running_api(database.app_url, redis_url) as api:
        connection = await Connection.open(api.url)
        async with asyncio.timeout(HUNG_SECONDS):
            answer = await connection.ask(message("POST", "/v1/documents", headers, b'{"title": "Slow"}')[:-5])
            assert (answer.status, answer.json()["code"]) == (408, "too_slow")
            assert await connection.reader.read() == b""
        connection.close()


async def test_a_request_that_is_cut_before_its_answer_is_done_once(service: Service) -> None:
    before, wires = service.documents(), Wires()
    keys = [f"cut-{n}" for n in range(40)]
    for n, key in enumerate(keys):
        connection = await Connection.open(service.url)
        headers = {**service.headers, "Idempotency-Key": key}
        connection.writer.write(
            message("POST", "/v1/documents", headers, msgspec.json.encode({"title": key, "content": ""}))
        )
        await connection.writer.drain()
        await asyncio.sleep(n / 4000)
        connection.writer.transport.abort()
    answers = [await insist(wires, service, key) for key in keys]
    again = [await insist(wires, service, key) for key in keys]
    wires.close()
    assert [answer.status for answer in answers] == [201] * len(keys)
    assert [answer.body for answer in again] == [answer.body for answer in answers]
    assert service.documents() == before + len(keys)


async def insist(wires: Wires, service: Service, key: str) -> Reply:
    """Ask again while the first request is still under way."""
    deadline = monotonic() + HUNG_SECONDS
    while (answer := await create(wires, service, key)).status == 409:
        assert monotonic() < deadline
        await asyncio.sleep(0.02)
    return answer


async def test_an_api_that_is_told_to_end_does_so_whatever_its_clients_do(
    database: Database, redis_url: str, tmp_path: Path
) -> None:
    headers = await somebody(database)
    with running(database, redis_url, tmp_path, "api", "projector") as (url, roles):
        service, wires = Service(url, roles, database, headers), Wires()
        path = (await create(wires, service, "large", "x" * LARGE)).headers["location"]
        large = message("GET", f"{path}/versions/1", headers)
        deaf = [await Connection.open(url) for _ in range(3)]
        for connection, sent in zip(deaf, (large * 4, large[:20], b""), strict=True):
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
            connection.writer.write(sent)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(roles[0].stop)  # which fails after 30 seconds
        for connection in deaf:
            connection.close()
        wires.close()
