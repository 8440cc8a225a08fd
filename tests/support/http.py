"""The HTTP API on a bus and a store in memory, without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx2
import structlog
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from adapters.http.api.app import create_app
from adapters.http.api.deps import Deps
from adapters.http.api.tokens import Tokens
from adapters.realtime.hub import EventHub
from application.bus import Bus
from infra.bootstrap.api import signing_keys
from infra.sealing.blind_index import BlindIndex
from projections.visibility import Share
from tests.support.memory_store import MemoryEventStore
from tests.support.projecting import MemoryFeed
from tests.support.stores import BLIND_KEY, KEY_RING

SIGNING_KEYS = signing_keys(KEY_RING)
PASSWORD = "umber cartwheel tenfold mist"


class SwiftPasswords:
    """Passwords in clear, so that tests are quick."""

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def verify(self, password: str, hashed: str | None) -> bool:
        return hashed == f"hash of {password}"

    async def weakness(self, password: str, *known: str) -> str | None:
        return None if len(password) >= 15 else "The password is too short."


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **delta: int) -> None:
        """Let time pass."""
        self.now += timedelta(**delta)


@dataclass
class Lagging:
    """Read models that are `behind` by so many positions, always."""

    behind: int = 0
    asked: list[tuple[str, int, float]] = field(default_factory=list)

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        self.asked.append((read_model, position, timeout))
        return self.behind


@dataclass
class OneRow:
    """Read models of one row, and the actor's shares of a document; `since` is the position of the last `after`."""

    row: Any = None
    shares: list[Share] = field(default_factory=list)
    since: int = 0

    def after(self, position: int) -> "OneRow":
        self.since = position
        return self

    async def all(self, kind: type[Any], *_: Any) -> list[Any]:
        return [each for each in (self.row, *self.shares) if isinstance(each, kind)]

    async def one(self, *_: Any) -> Any:
        return self.row

    by_key = one


@dataclass
class Observed:
    """How a request ended, and the context of its log lines."""

    method: str
    route: str
    path: str | None
    status: int
    user_id: str | None
    context: dict[str, Any]


@dataclass
class HttpApi:
    """The API and its dependencies in memory."""

    app: FastAPI
    client: httpx2.AsyncClient
    store: MemoryEventStore
    tokens: Tokens
    time: Time
    positions: Lagging
    rows: OneRow
    observed: list[Observed]

    def token(self, user_id: UUID) -> dict[str, str]:
        """The headers of a user who has logged in."""
        return {"Authorization": f"Bearer {self.tokens.issue(user_id, None)}"}

    async def register(self, name: str = "ada") -> tuple[UUID, dict[str, str]]:
        """A new user's id and headers."""
        body = {"email": f"{name}@example.org", "name": name.title(), "password": PASSWORD}
        answer = await self.client.post("/v1/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        user_id = UUID(answer.json()["id"])
        return user_id, self.token(user_id)


async def answers() -> None:
    """A server that is up."""


def openapi_schema() -> dict[str, Any]:
    """The OpenAPI schema, without any dependencies."""
    return create_app(cast(Deps, SimpleNamespace(cors_origins=(), https=False))).openapi()


@asynccontextmanager
async def open_http_api(**changes: Any) -> AsyncIterator[HttpApi]:
    """The API; `changes` to its `Deps`."""
    store, time, positions, rows = MemoryEventStore(), Time(), Lagging(), OneRow()
    blind = BlindIndex(BLIND_KEY)
    ports = {"clock": time, "new_id": uuid7, "addresses": blind, "passwords": SwiftPasswords()}
    tokens = Tokens(SIGNING_KEYS, issuer="us", audience="them", lifetime=3600, clock=time, new_id=uuid7)
    observed: list[Observed] = []

    async def head() -> int:
        return len(store.log)

    def observe(method: str, route: str, path: str | None, status: int, seconds: float, user_id: str | None) -> None:
        observed.append(Observed(method, route, path, status, user_id, structlog.contextvars.get_contextvars()))

    deps = Deps(
        send=Bus(store, ports, blind).send,
        rows=rows,
        history=store,
        positions=positions,
        live=EventHub(MemoryFeed(), rows, positions),
        head=head,
        tokens=tokens,
        clock=time,
        new_id=uuid7,
        observe=observe,
        checks={"database": answers, "redis": answers},
    )
    app = create_app(replace(deps, **changes))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="https://api.test") as client:
        yield HttpApi(app, client, store, tokens, time, positions, rows, observed)
