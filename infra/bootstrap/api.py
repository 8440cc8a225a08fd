"""The API, wired: what HTTP needs from the rest of the house, and the server."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import uvicorn
import uvloop
from uuid_utils.compat import uuid7

from adapters.http.api.app import create_app
from adapters.http.api.deps import Deps
from adapters.http.api.tokens import Tokens
from adapters.integration_events.asyncapi import Broker
from adapters.passwords import Argon2Passwords
from adapters.realtime.hub import EventHub
from application.ports import ReadStore, Unavailable
from infra.bootstrap.lifetime import cancelled, collect_rarely, once_available
from infra.bootstrap.projections import prepare_tables
from infra.bootstrap.write_side import WriteSide, open_write_side, utc_now
from infra.cache.read_cache import CachedReadStore, open_redis
from infra.cache.settled_positions import SettledPositions
from infra.http_server.protocol import HttpProtocol
from infra.postgres.read_store import PooledReadStore
from infra.projector.position_tracker import PositionTracker
from infra.settings.model import Settings
from infra.telemetry.telemetry import observe_http
from projections.kernel import read_models

GRACE_SECONDS = 10
ACCEPTED_IN_A_TURN = 32


def run(settings: Settings) -> None:
    """Serve HTTP until SIGINT or SIGTERM; requests under way are answered first."""
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    async with open_deps(settings) as deps:
        config = uvicorn.Config(
            create_app(deps),
            host=settings.host,
            port=settings.port,
            http=HttpProtocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        collect_rarely()
        await ApiServer(deps.live, config).serve(listening(config))


def listening(config: uvicorn.Config) -> list[socket.socket]:
    """One socket, many times: the loop accepts one connection in a turn from each, and the turns of a busy loop are
    long. Of 500 clients who came at once, the last would be let in after ten seconds."""
    first = config.bind_socket()
    return [first, *[first.dup() for _ in range(ACCEPTED_IN_A_TURN - 1)]]


class ApiServer(uvicorn.Server):
    """Ends streams of events when it is to stop: they would go on until they are cut."""

    def __init__(self, live: EventHub, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let listeners go, then do what is to be done."""
        self._live.close()
        await super().shutdown(sockets)


@asynccontextmanager
async def open_deps(settings: Settings) -> AsyncIterator[Deps]:
    """Everything HTTP needs, opened; closed at the end. A server that is down does not keep it from opening."""
    async with open_write_side(settings) as core, _open_rows(settings, core) as (rows, checks):
        feed, positions, passwords = core.feed(), PositionTracker(core.url), Argon2Passwords()
        settled = SettledPositions(positions, rows) if isinstance(rows, CachedReadStore) else positions
        bus = core.bus({"passwords": passwords}, settled)
        tables = asyncio.create_task(once_available(lambda: prepare_tables(core.url, read_models())))
        await positions.start()
        await feed.start()
        try:
            yield Deps(
                send=bus.send,
                rows=rows,
                history=core.store,
                positions=positions,
                live=EventHub(feed, rows, positions),
                head=feed.head,
                tokens=_tokens(settings),
                clock=utc_now,
                new_id=uuid7,
                observe=observe_http,
                checks={"database": lambda: _ready(core, tables), **checks},
                broker=Broker(settings.kafka_prefix, settings.kafka_partitions, settings.kafka_replication),
                cors_origins=tuple(settings.cors_origins),
                max_body_bytes=settings.max_body_bytes,
                read_wait_max=settings.read_wait_max,
            )
        finally:
            await cancelled(tables)
            await feed.stop()
            await positions.stop()
            passwords.close()


async def _ready(core: WriteSide, tables: "asyncio.Task[None]") -> None:
    """The database answers, and the tables to read from are there."""
    await core.database.rows("SELECT 1", [])
    if not tables.done():
        raise Unavailable("The database")
    tables.result()


@asynccontextmanager
async def _open_rows(
    settings: Settings, core: WriteSide
) -> AsyncIterator[tuple[ReadStore, dict[str, Callable[[], Awaitable[object]]]]]:
    """Read models, through Redis where there is one; and what to ask whether it answers."""
    rows = PooledReadStore(core.database)
    if settings.redis_url is None:
        yield rows, {}
        return
    redis = open_redis(settings.redis_url.get_secret_value())
    cached = CachedReadStore(rows, redis, read_models())
    try:
        yield cached, {"redis": redis.ping}
    finally:
        await cached.close()


def _tokens(settings: Settings) -> Tokens:
    return Tokens(
        settings.token_signing_key.get_secret_value(),
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        lifetime=settings.token_ttl,
        clock=utc_now,
        new_id=uuid7,
    )
