"""The whole service in a thread: HTTP on a real port, real PostgreSQL and Redis, read models kept up to date."""

import asyncio
import socket
import threading
from base64 import b64encode
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import httpx2
import uvicorn
from uuid_utils.compat import uuid7

from adapters.http.app import create_app
from adapters.http.exchange import Deps
from adapters.http.tokens import Tokens
from adapters.passwords import Argon2Passwords
from application.bus import Bus
from application.ports import Actor, Call
from application.user import Register, VerifyEmail
from infra.cache import CachedRows, open_redis
from infra.core import open_core, utc_now
from infra.projector.positions import Positions
from infra.projector.service import prepare_tables, project
from infra.rows import PooledRows
from infra.settings import Settings
from projections.kernel import read_models
from tests.support.http import PASSWORD, SIGNING_KEY
from tests.support.servers import Database
from tests.support.stores import BLIND_KEY, KEK

T = TypeVar("T")


@dataclass(frozen=True)
class Account:
    """A registered user and their client."""

    id: UUID
    email: str
    client: httpx2.Client


class Api:
    """The running service."""

    def __init__(self, url: str, bus: Bus, tokens: Tokens, addresses: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.bus = bus
        self.tokens = tokens
        self.addresses = addresses
        self._loop = loop
        self._clients: list[httpx2.Client] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    def account(self, *, verified: bool = False) -> Account:
        """A new user with a client that is logged in; `verified`: with a verified address."""
        email = f"{uuid7()}@example.org"
        register = Register(email=email, name="Somebody", password=PASSWORD)
        user = self.run(self.bus.send(register, Call(None, uuid7()))).answer
        if verified:
            self.run(self.bus.send(VerifyEmail(user_id=user.id), Call(Actor(user.id), uuid7())))
        token = self.tokens.issue(user.id, self.addresses.address_id(email) if verified else None)
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
def running_api(database: Database, redis_url: str, **changes: Any) -> Iterator[Api]:
    """The service on a port of its own; `changes` to its settings."""
    ready: Future[Api] = Future()
    over = threading.Event()

    async def serve() -> None:
        async with _service(_settings(database, redis_url, changes)) as api:
            ready.set_result(api)
            await asyncio.to_thread(over.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with closing(ready.result(timeout=60)) as api:
            yield api
    finally:
        over.set()
        thread.join(timeout=60)


def _settings(database: Database, redis_url: str, changes: dict[str, Any]) -> Settings:
    given = {
        "database_url": database.admin_url,
        "redis_url": redis_url,
        "key_encryption_key": b64encode(KEK).decode(),
        "blind_index_key": b64encode(BLIND_KEY).decode(),
        "token_signing_key": SIGNING_KEY,
    }
    return Settings(**{**given, **changes})


@asynccontextmanager
async def _service(settings: Settings) -> AsyncIterator[Api]:
    models = read_models()
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(open_core(settings))
        await prepare_tables(core.url, models)
        passwords = Argon2Passwords()
        stack.callback(passwords.close)
        bus = core.bus({"passwords": passwords})
        positions, feed = Positions(core.url), core.feed()
        for part in (positions, feed):
            await part.start()
            stack.push_async_callback(part.stop)
        assert settings.redis_url is not None
        redis_url = settings.redis_url.get_secret_value()
        rows = CachedRows(PooledRows(core.pool), open_redis(redis_url), models)
        stack.push_async_callback(rows.close)
        tokens = Tokens(
            settings.token_signing_key.get_secret_value(),
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            lifetime=settings.token_ttl,
            clock=utc_now,
            new_id=uuid7,
        )
        deps = Deps(
            send=bus.send,
            rows=rows,
            history=core.store,
            positions=positions,
            head=feed.head,
            tokens=tokens,
            clock=utc_now,
            new_id=uuid7,
            observe=lambda *_: None,
            checks={"database": feed.head},
            max_body_bytes=settings.max_body_bytes,
            read_wait_max=settings.read_wait_max,
        )
        follow = project(models, feed, PooledRows(core.pool), core.url, redis_url)
        stack.push_async_callback(_cancel, asyncio.create_task(follow))
        url = await stack.enter_async_context(_listening(deps))
        yield Api(url, bus, tokens, core.blind, asyncio.get_running_loop())


@asynccontextmanager
async def _listening(deps: Deps) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(deps), log_config=None, access_log=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        # Whoever connects before it has started waits in the socket's queue.
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
