"""HTTP: writing and reading documents with 64 clients at once, against a plain CRUD service on the same database.

Ours runs as it does in earnest, with its projector and Redis beside it, its log and its metrics on. A write takes a
token, an Idempotency-Key and quota, and appends to two streams; a user writes five documents, as the free plan allows,
then comes the next user, whose token has never been seen before. A read takes a token and looks up who may read.
The peer does none of that.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import UUID

import msgspec
import psycopg
from uuid_utils.compat import uuid7

from adapters.http.api.tokens import Tokens
from domain.billing.subscription import MONTHLY_DOCUMENTS
from infra.bootstrap.write_side import WriteSide
from tests.bench import ours, processes
from tests.bench.clients import Job, Result, request, run
from tests.bench.harness import TEXT, Bench, Row, against, below, told
from tests.support.servers import Database, open_folder, own_redis

UNIT = "requests/s"
CLIENTS, CROWD = 64, 500
SHARES = (0.5, 0.95, 0.99)
EACH = 16
"""Documents that each client reads."""
FASTEST = 5_000
"""More requests a second are not prepared for."""
DOCUMENTS = "/v1/documents"
BODY = msgspec.json.encode({"title": "Field notes", "content": TEXT})
COPY = """
INSERT INTO documents
SELECT id, owner_id, title, content, status, version, created_at, updated_at, trashed_at FROM read.document
"""

Requests = list[list[bytes]]


@dataclass
class Services:
    """Both services on one database."""

    database: Database
    own: ours.Ours
    tokens: Tokens
    port: int
    peer_port: int
    redis_url: str

    def users(self, number: int) -> list[tuple[UUID, str]]:
        """New users on the free plan, and their tokens."""
        return [(id, self.tokens.issue(id, session)) for id, session in self.own(ours.new_users, number).items()]


@dataclass
class Side:
    """One service under load; keeps what came back."""

    load: Callable[[], Result]
    results: list[Result] = field(default_factory=list)

    def __call__(self) -> float:
        self.results.append(self.load())
        return self.results[-1].rate

    def percentiles(self, share: float) -> list[float]:
        """Of every turn but the first, which warms up."""
        return [result.percentile(share) for result in self.results[1:]]

    @property
    def failures(self) -> int:
        """Of all turns."""
        return sum(result.failures for result in self.results)


def rows(bench: Bench) -> Iterator[Row]:
    """POST and GET with 64 clients, then with 500."""
    with open_folder() as folder, open_services(bench, folder) as services:
        yield from _posts(bench, services)
        yield from _gets(bench, services)


def _posts(bench: Bench, services: Services) -> Iterator[Row]:
    seconds = bench.seconds(3)
    mine = Side(lambda: run(Job(services.port, writes(services, CLIENTS, seconds), seconds, once=True)))
    theirs = Side(lambda: run(Job(services.peer_port, [[request("POST", DOCUMENTS, BODY)]] * CLIENTS, seconds)))

    def write() -> float:
        rate = mine()
        # What the projector has left to do must not burden the peer.
        processes.wait_for_projector(services.database)
        return rate

    rates, peer_rates = bench.in_turns(write, theirs)
    yield against(f"POST {DOCUMENTS}, {CLIENTS} clients", UNIT, rates, peer_rates, reach=4)
    yield from _latencies(f"POST {DOCUMENTS}", mine, theirs)
    yield from _crowd(f"POST {DOCUMENTS}", Job(services.port, writes(services, CROWD, seconds), seconds, once=True))


def _gets(bench: Bench, services: Services) -> Iterator[Row]:
    seconds = bench.seconds(3)
    ids, requests = reads(services, CLIENTS)
    plain = [[request("GET", f"{DOCUMENTS}/{id}") for id in some] for some in ids]
    mine = Side(lambda: run(Job(services.port, requests, seconds)))
    theirs = Side(lambda: run(Job(services.peer_port, plain, seconds)))
    name = f"GET {DOCUMENTS}/{{id}}"
    rates, peer_rates = bench.in_turns(mine, theirs)
    yield against(f"{name}, {CLIENTS} clients", UNIT, rates, peer_rates, reach=4)
    yield below(f"{name}, {CLIENTS} clients: p95", "ms", mine.percentiles(0.95), 30, theirs.percentiles(0.95))
    yield from _latencies(name, mine, theirs)
    yield from _crowd(name, Job(services.port, (requests * (CROWD // CLIENTS + 1))[:CROWD], seconds))


def _latencies(name: str, mine: Side, theirs: Side) -> Iterator[Row]:
    for share in SHARES:
        own, peer = median(mine.percentiles(share)), median(theirs.percentiles(share))
        yield told(f"{name}, {CLIENTS} clients: p{share * 100:.0f}", "ms", own, peer)
    assert theirs.failures == 0, "the peer answers with errors: there is nothing to compare with"
    yield below(f"{name}, {CLIENTS} clients: failures", "requests", [mine.failures], 1, [theirs.failures])


def _crowd(name: str, job: Job) -> Iterator[Row]:
    result = run(job)
    yield told(f"{name}, {CROWD} clients", UNIT, result.rate)
    yield from latencies(f"{name}, {CROWD} clients", result)
    yield below(f"{name}, {CROWD} clients: failures", "requests", [result.failures], 1)


def latencies(name: str, result: Result, of: str = "") -> Iterator[Row]:
    """A row a percentile."""
    for share in SHARES:
        yield told(f"{name}: p{share * 100:.0f}", "ms", result.percentile(share, of))


def writes(services: Services, clients: int, seconds: float) -> Requests:
    """Requests that write, each with a key of its own: for each client users enough who each write what they may."""
    allowed = MONTHLY_DOCUMENTS["free"]
    number = max(1, round(FASTEST * seconds / clients / allowed)) * clients
    requests: Requests = [[] for _ in range(clients)]
    for n, (_, token) in enumerate(services.users(number)):
        requests[n % clients] += [write_request(token) for _ in range(allowed)]
    return requests


def write_request(token: str) -> bytes:
    """One that writes a document."""
    return request("POST", DOCUMENTS, BODY, Authorization=f"Bearer {token}", Idempotency_Key=str(uuid7()))


def reads(services: Services, clients: int) -> tuple[list[list[UUID]], Requests]:
    """For each client a user with documents, which both services have: their ids, and the requests that read them."""
    users = services.users(clients)
    ids = [services.own(_write_documents, user_id) for user_id, _ in users]
    processes.wait_for_projector(services.database)
    with psycopg.connect(services.database.admin_url) as connection:
        connection.execute("TRUNCATE documents")
        connection.execute(COPY)
        connection.execute("ANALYZE")
    for some in ids:
        random.Random(1).shuffle(some)
    return ids, [
        [request("GET", f"{DOCUMENTS}/{id}", Authorization=f"Bearer {token}") for id in some]
        for (_, token), some in zip(users, ids, strict=True)
    ]


async def _write_documents(core: WriteSide, owner_id: UUID) -> list[UUID]:
    documents = [ours.new_document(TEXT, owner_id) for _ in range(EACH)]
    await core.store.append(documents, ours.CALL, None)
    return [document.id for document in documents]


@contextmanager
def open_services(bench: Bench, folder: Path) -> Iterator[Services]:
    """Everything that runs, on a database of its own."""
    with (
        bench.database() as database,
        ours.opened(database) as own,
        own_redis() as redis,
        processes.api(database, folder, redis.url) as api,
        processes.role("projector", database, folder, redis.url),
        processes.crud_api(database, folder) as peer_port,
    ):
        tokens = ours.tokens_for(ours.settings_for(database))
        yield Services(database, own, tokens, api.port, peer_port, redis.url)
