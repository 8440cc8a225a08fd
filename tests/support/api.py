"""The whole service in a thread: HTTP on a real port, real PostgreSQL and Redis, read models kept up to date."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID

import httpx2
import uvicorn
from starlette.types import ASGIApp
from uuid_utils.compat import uuid7

from adapters.http.api.app import create_app
from adapters.http.api.deps import Deps
from adapters.passwords import Argon2Passwords
from application.billing.subscription import ChangePlan
from application.commands import Command
from application.identity.auditing import AppointAuditor
from application.ports import Actor, CommandContext
from domain.billing.subscription import Plan, Subscription
from domain.identity.claims import email_claim
from domain.identity.links import LinkKind
from domain.identity.user import User
from domain.kernel import Party
from domain.teams.team import Team
from infra.bootstrap.api import open_deps
from infra.bootstrap.lifetime import cancelled, retry_until_available
from infra.bootstrap.projections import prepare_tables, project
from infra.bootstrap.write_side import open_write_side, utc_now
from infra.http_server.server import server_config
from infra.postgres.read_store import PooledReadStore
from infra.sealing.blind_index import BlindIndex
from infra.settings.model import Settings
from projections.kernel import read_models
from tests.support.accounts import NewAccount, begin_session, open_account, token_of
from tests.support.http import PASSWORD
from tests.support.limits import PLENTY
from tests.support.links import PlainLinks
from tests.support.memory_jobs import MemoryJobs
from tests.support.stores import BLIND_KEY, KEYS
from tests.support.waiting import wait_until

T = TypeVar("T")

READY_SECONDS = 30.0
"""The longest that the service may take until it is ready."""


@dataclass(frozen=True)
class Account:
    """A registered user and their client."""

    id: UUID
    email: str
    client: httpx2.Client

    def write(self, method: str, path: str, expect: int = 200, **more: Any) -> httpx2.Response:
        """Write, and see that it went as expected. The next reads will show it."""
        answer = self.client.request(method, path, **more)
        assert answer.status_code == expect, answer.text
        self.client.headers["Consistency-Token"] = answer.headers["Consistency-Token"]
        return answer

    def read(self, path: str, expect: int = 200, **more: Any) -> Any:
        """Read, no older than what this account wrote last; answers what the JSON holds."""
        answer = self.client.get(path, **more)
        assert answer.status_code == expect, answer.text
        assert "Consistency-Lag" not in answer.headers
        return answer.json()

    def document(self, title: str = "Notes", content: str = "Otters.") -> str:
        """Write a document; answers its path."""
        return str(
            self.write("POST", "/v1/documents", 201, json={"title": title, "content": content}).headers["Location"]
        )


class Api:
    """The running service."""

    def __init__(
        self, url: str, deps: Deps, loop: asyncio.AbstractEventLoop, jobs: MemoryJobs, links: PlainLinks
    ) -> None:
        self.url = url
        self.jobs = jobs
        self._links = links
        self._hashed = ""
        self.deps = deps
        self._loop = loop
        self._clients: list[httpx2.Client] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def send(self, command: Command[T], user_id: UUID | None = None) -> T:
        """Send a command past HTTP."""
        call = CommandContext(Actor(user_id) if user_id else None, uuid7())
        return self.run(self.deps.send(command, call)).answer

    def account(self, plan: Plan = "free", *, verified: bool = True) -> Account:
        """A new user with a client that is logged in. One who is not verified registered with an earlier version."""
        user_id = uuid7()
        email = f"{user_id}@example.org"
        self.run(self._open(user_id, email) if verified else self._registered_earlier(user_id, email))
        self.send(ChangePlan(plan=plan), user_id)
        return Account(user_id, email, self.client(self.token(user_id, email if verified else None)))

    def auditor(self) -> Account:
        """A new user whom operators have appointed auditor, with a client that is logged in."""
        account = self.account("pro")
        self.send(AppointAuditor(email=account.email, reason="Reviews the year."))
        account.client.headers["Authorization"] = f"Bearer {self.token(account.id, account.email, auditor=True)}"
        return account

    def token(self, user_id: UUID, email: str | None = None, *, auditor: bool = False) -> str:
        """Return the access token of a new session. `email`: the user's verified address."""
        address_id = None if email is None else BlindIndex(BLIND_KEY).address_id(email)
        return self.deps.tokens.issue(user_id, self.run(self._begin(user_id, address_id)), auditor=auditor)

    def perform_jobs(self, correlation_id: UUID | None = None) -> None:
        """Play the worker: perform the jobs that wait."""

        async def send(command: Command[Any], key: str) -> None:
            context = CommandContext(None, correlation_id or uuid7(), idempotency_key=key)
            await self.deps.send(command, context)

        ports = {"events": self.deps.history, "send": send, "sessions": self.deps.sessions}
        self.run(self.jobs.perform_all(ports))

    def token_in_mail(self, email: str, kind: LinkKind = "verify") -> str:
        """Return the token in the latest mail to an address."""
        user_id = self.run(self.deps.history.claimed_by(email_claim(email)))
        assert user_id is not None
        return self.run(token_of(self.deps.history, self._links, user_id, kind))

    def token_for_postmaster(self, team_id: UUID, domain_id: UUID) -> str:
        """Return the token in the latest mail to the postmaster of a domain."""
        team = self.run(self.deps.history.load(Team, team_id))
        mail = None if team is None else team.domains[domain_id]["mail"]
        assert mail is not None
        return self._links.make("domain", team_id, mail["link_id"]).token

    async def _begin(self, user_id: UUID, address_id: UUID | None) -> UUID:
        user = await self.deps.history.load(User, user_id)
        assert user is not None
        return await begin_session(self.deps.sessions, user, address_id)

    async def _send(self, command: Command[Any]) -> None:
        await self.deps.send(command, CommandContext(None, uuid7()))

    async def _open(self, user_id: UUID, email: str) -> None:
        opened = NewAccount(user_id, email, "Somebody", await self._hash())
        await open_account(self._send, self.deps.history, self._links, opened)

    async def _registered_earlier(self, user_id: UUID, email: str) -> None:
        now = utc_now()
        hashed = await self._hash()
        user = User.register(id=user_id, email=email, name="Somebody", password_hash=hashed, now=now)
        plan = Subscription.start(payer=Party("user", user_id), now=now)
        await self.deps.history.append([user, plan], CommandContext(None, uuid7()), None)

    async def _hash(self) -> str:
        """Return a hash of the password of all accounts, which is made once."""
        if not self._hashed:
            with closing(Argon2Passwords()) as passwords:
                self._hashed = await passwords.hash(PASSWORD)
        return self._hashed

    def client(self, token: str | None = None) -> httpx2.Client:
        """A client, logged in by the token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._clients.append(httpx2.Client(base_url=self.url, headers=headers, timeout=30))
        return self._clients[-1]

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients:
            client.close()


@contextmanager
def running_api(
    database_url: str,
    redis_url: str,
    *,
    ready_first: bool = True,
    ports: Mapping[str, object] = MappingProxyType({}),
    **changes: Any,
) -> Iterator[Api]:
    """The service on a port of its own, on a migrated database; `changes` to its settings, by variable.

    `ready_first`: wait until its health check says that it is ready. `ports`: those of command handlers to replace.
    """
    ready: Future[Api] = Future()
    over = threading.Event()

    async def serve() -> None:
        async with _service(_settings(database_url, redis_url, changes), ports) as api:
            ready.set_result(api)
            await asyncio.to_thread(over.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        with closing(ready.result(timeout=60)) as api:
            if ready_first:
                _wait_until_ready(api)
            yield api
    finally:
        over.set()
        thread.join(timeout=60)
        assert not thread.is_alive(), "the service did not end"


def _wait_until_ready(api: Api) -> None:
    # The service answers before its tables are there: requests would work, and its health check says "not ready".
    wait_until(lambda: httpx2.get(f"{api.url}/health/ready").status_code == 200, READY_SECONDS)


def _settings(database_url: str, redis_url: str, changes: dict[str, Any]) -> Settings:
    given = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        **KEYS,
        **PLENTY,
    }
    return Settings.from_variables({**given, **changes})


@asynccontextmanager
async def _service(settings: Settings, ports: Mapping[str, object]) -> AsyncIterator[Api]:
    jobs, links = MemoryJobs(), PlainLinks()
    opened = open_deps(settings, {"queue": jobs, "links": links, **ports})
    async with _projecting(settings), opened as deps, _listening(deps) as url:
        yield Api(url, deps, asyncio.get_running_loop(), jobs, links)


@asynccontextmanager
async def _projecting(settings: Settings) -> AsyncIterator[None]:
    assert settings.redis.url is not None
    redis_url = settings.redis.url.get_secret_value()
    async with open_write_side(settings, "projector") as core:
        feed = core.feed()
        await feed.start()
        rows = PooledReadStore(core.database)

        async def work() -> None:
            await retry_until_available(lambda: prepare_tables(core.url, read_models()))
            await project(read_models(), feed, rows, core.url, redis_url, lease=core.lease)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            await cancelled(task)
            await feed.stop()


@asynccontextmanager
async def _listening(deps: Deps) -> AsyncIterator[str]:
    async with served(create_app(deps)) as url:
        yield url
        deps.live.close()


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an app on a port of its own, and return its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(server_config(app))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        # Clients that connect before it has started wait in the socket's queue.
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving
