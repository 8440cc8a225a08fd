"""The HTTP API on a bus and a store in memory, without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx2
import structlog
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from adapters.devices import device_name
from adapters.http.api.app import create_app
from adapters.http.api.cookies import CsrfTokens
from adapters.http.api.deps import Deps
from adapters.http.api.tokens import Tokens
from adapters.realtime.hub import EventHub
from adapters.refresh_tokens import DerivedRefreshTokens
from application.bus import Bus
from application.commands import Command
from application.identity.attempts import SignInAttempts
from application.identity.auditing import AppointAuditor
from application.ports import CommandContext, Passwords
from infra.bootstrap.api import signing_keys
from infra.sealing.blind_index import BlindIndex
from projections.visibility import HeldRole
from tests.support.accounts import NewAccount, open_account
from tests.support.empty_trail import EmptyTrail
from tests.support.generations import MemoryPartialTexts, PlainKeyTrial, PlainModels, PlainTokens
from tests.support.limits import domain_mail_limits, light_work, link_guesses, request_limits, sign_in_attempts
from tests.support.links import PlainLinks
from tests.support.memory_jobs import MemoryJobs
from tests.support.memory_recent_documents import MemoryRecentDocuments
from tests.support.memory_sealed_log import MemorySealedLog
from tests.support.memory_security_log import MemorySecurityLog
from tests.support.memory_sessions import MemorySessions, MemorySettlement
from tests.support.memory_store import MemoryEventStore
from tests.support.projecting import MemoryFeed
from tests.support.provider import CATALOGUE
from tests.support.sealing import SIGNER
from tests.support.stores import BLIND_KEY, KEY_RING

SIGNING_KEYS = signing_keys(KEY_RING)
PASSWORD = "umber cartwheel tenfold mist"
SEALED_ENTRIES = [b"entry %d" % number for number in range(300)]
"""The entries of the audit tree."""


class SwiftPasswords:
    """Passwords in clear, so that tests are quick."""

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def verify(self, password: str, hashed: str | None) -> bool:
        return hashed == f"hash of {password}"

    def is_outdated(self, hashed: str) -> bool:
        return False

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
    shares: list[HeldRole] = field(default_factory=list)
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
    bus: Bus
    client: httpx2.AsyncClient
    store: MemoryEventStore
    tokens: Tokens
    sessions: MemorySessions
    time: Time
    positions: Lagging
    rows: OneRow
    observed: list[Observed]
    jobs: MemoryJobs
    links: PlainLinks
    security_log: MemorySecurityLog
    recent: MemoryRecentDocuments
    partial_texts: MemoryPartialTexts

    def token(self, user_id: UUID, *, auditor: bool = False) -> dict[str, str]:
        """The headers of a user who has logged in."""
        session_id = self.sessions.log_in(user_id, uuid7)
        return {"Authorization": f"Bearer {self.tokens.issue(user_id, session_id, auditor=auditor)}"}

    async def auditor(self) -> tuple[UUID, dict[str, str]]:
        """A new auditor's id and headers."""
        user_id, _ = await self.account("olga")
        await self.send(AppointAuditor(email="olga@example.org", reason="Reviews the year."))
        return user_id, self.token(user_id, auditor=True)

    async def account(self, name: str = "ada") -> tuple[UUID, dict[str, str]]:
        """A new user's id and headers. Their address is verified."""
        user_id = uuid7()
        account = NewAccount(user_id, f"{name}@example.org", name.title(), f"hash of {PASSWORD}")
        await open_account(self.send, self.store, self.links, account)
        return user_id, self.token(user_id)

    async def send(self, command: Command[Any]) -> None:
        """Send a command past HTTP."""
        await self.bus.send(command, CommandContext(None, uuid7()))


async def answers() -> None:
    """A server that is up."""


@cache
def openapi_schema() -> dict[str, Any]:
    """The OpenAPI schema, without any dependencies. It is made once: do not change it."""
    return create_app(cast(Deps, SimpleNamespace(cors_origins=(), https=False))).openapi()


@asynccontextmanager
async def open_http_api(
    attempts: SignInAttempts | None = None, passwords: Passwords | None = None, **changes: Any
) -> AsyncIterator[HttpApi]:
    """The API; `attempts` to log in that may fail, `passwords` that take their time, `changes` to its `Deps`."""
    store, time, positions, rows = MemoryEventStore(), Time(), Lagging(), OneRow()
    blind = BlindIndex(BLIND_KEY)
    jobs, links, security_log = MemoryJobs(), PlainLinks(), MemorySecurityLog(time)
    sessions, recent = MemorySessions(time, jobs), MemoryRecentDocuments()
    ports = {
        "clock": time,
        "new_id": uuid7,
        "addresses": blind,
        "slugs": blind,
        "passwords": passwords or SwiftPasswords(),
    }
    refresh_tokens = DerivedRefreshTokens([bytes(32)])
    ports |= {"sessions": sessions, "refresh_tokens": refresh_tokens, "device_names": device_name}
    ports |= {"queue": jobs, "links": links, "security_log": security_log, "attempts": attempts or sign_in_attempts()}
    partial_texts = MemoryPartialTexts()
    ports |= {"guesses": link_guesses(), "domain_mails": domain_mail_limits(), "recent": recent}
    ports |= {"models": PlainModels(), "tokens": PlainTokens(), "digests": blind}
    ports |= {"try_key": PlainKeyTrial()}
    bus = Bus(store, ports, blind, settlement=MemorySettlement(sessions))
    tokens = Tokens(SIGNING_KEYS, issuer="us", audience="them", lifetime=3600, clock=time, new_id=uuid7)
    observed: list[Observed] = []

    async def head() -> int:
        return len(store.log)

    def observe(method: str, route: str, path: str | None, status: int, seconds: float, user_id: str | None) -> None:
        observed.append(Observed(method, route, path, status, user_id, structlog.contextvars.get_contextvars()))

    deps = Deps(
        send=bus.send,
        rows=rows,
        history=store,
        trail=EmptyTrail(),
        partial_texts=partial_texts,
        queue=jobs,
        text_signals=partial_texts,
        positions=positions,
        live=EventHub(MemoryFeed(), rows, positions),
        head=head,
        tokens=tokens,
        sessions=sessions,
        live_sessions=sessions,
        refresh_tokens=refresh_tokens,
        csrf=CsrfTokens([bytes(32)]),
        security_log=security_log,
        recent_documents=recent,
        log=MemorySealedLog(SIGNER, SEALED_ENTRIES),
        models=CATALOGUE,
        clock=time,
        new_id=uuid7,
        observe=observe,
        checks={"database": answers, "redis": answers},
        limits=request_limits(),
        challenges=light_work(clock=time),
    )
    app = create_app(replace(deps, **changes))
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="https://api.test") as client:
        yield HttpApi(
            app,
            bus,
            client,
            store,
            tokens,
            sessions,
            time,
            positions,
            rows,
            observed,
            jobs,
            links,
            security_log,
            recent,
            partial_texts,
        )
