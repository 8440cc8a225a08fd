"""The whole service in a thread: HTTP on a real port, real PostgreSQL and Redis, read models kept up to date."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import httpx2
import uvicorn
from uuid_utils.compat import uuid7

from adapters.http.api.app import create_app
from adapters.http.api.deps import Deps
from application.billing.subscription import ChangePlan
from application.commands import Command
from application.identity.user import Register, VerifyEmail
from application.ports import Actor, CommandContext
from domain.billing.subscription import Plan
from infra.bootstrap.api import open_deps
from infra.bootstrap.lifetime import cancelled, retry_until_available
from infra.bootstrap.projections import prepare_tables, project
from infra.bootstrap.write_side import open_write_side
from infra.http_server.server import server_config
from infra.postgres.read_store import PooledReadStore
from infra.sealing.blind_index import BlindIndex
from infra.settings.model import Settings
from projections.kernel import read_models
from tests.support.http import PASSWORD
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

    def __init__(self, url: str, deps: Deps, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
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

    def account(self, plan: Plan = "free", *, verified: bool = False) -> Account:
        """A new user with a client that is logged in; `verified`: with a verified address."""
        email = f"{uuid7()}@example.org"
        user = self.send(Register(email=email, name="Somebody", password=PASSWORD))
        self.send(ChangePlan(plan=plan), user.id)
        if verified:
            self.send(VerifyEmail(user_id=user.id), user.id)
        token = self.deps.tokens.issue(user.id, BlindIndex(BLIND_KEY).address_id(email) if verified else None)
        return Account(user.id, email, self.client(token))

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
def running_api(database_url: str, redis_url: str, *, ready_first: bool = True, **changes: Any) -> Iterator[Api]:
    """The service on a port of its own, on a migrated database; `changes` to its settings, by variable.

    `ready_first`: wait until its health check says that it is ready.
    """
    ready: Future[Api] = Future()
    over = threading.Event()

    async def serve() -> None:
        async with _service(_settings(database_url, redis_url, changes)) as api:
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
    }
    return Settings.from_variables({**given, **changes})


@asynccontextmanager
async def _service(settings: Settings) -> AsyncIterator[Api]:
    async with _projecting(settings), open_deps(settings) as deps, _listening(deps) as url:
        yield Api(url, deps, asyncio.get_running_loop())


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
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(server_config(create_app(deps)))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        # Whoever connects before it has started waits in the socket's queue.
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        deps.live.close()
        server.should_exit = True
        await serving
