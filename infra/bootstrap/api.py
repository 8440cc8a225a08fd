"""The API role: opens the dependencies of the HTTP adapter and serves it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import uvloop
from uuid_utils.compat import uuid7

from adapters.devices import device_name
from adapters.dns_records import DnsTextRecords
from adapters.http.api.app import create_app
from adapters.http.api.deps import Deps
from adapters.http.api.tokens import SigningKey, Tokens
from adapters.integration_events.asyncapi import Broker
from adapters.passwords import Argon2Passwords
from adapters.provider.token_counter import TiktokenCounter
from adapters.realtime.hub import EventHub
from application.ports import ReadStore
from infra.audit.sealed_log import PostgresSealedLog
from infra.bootstrap.audit import open_audit_trail
from infra.bootstrap.lifetime import collect_rarely, started
from infra.bootstrap.limits import OpenLimits, open_limits
from infra.bootstrap.links import open_csrf_tokens, open_link_tokens, open_refresh_tokens
from infra.bootstrap.provider import open_key_trial, open_models
from infra.bootstrap.settled_bus import open_settled_bus
from infra.bootstrap.write_side import WriteSide, open_write_side, utc_now
from infra.cache.read_cache import CachedReadStore, open_redis
from infra.generation.partial_texts import PostgresPartialTexts
from infra.generation.text_signals import PostgresTextSignals
from infra.http_server.server import serve
from infra.postgres.read_store import PooledReadStore
from infra.projector.schema import require_tables
from infra.recent_documents.postgres_recent_documents import PostgresRecentDocuments
from infra.sealing.key_ring import KeyKind, KeyRing, KeyState
from infra.sealing.process_keys import ProcessKeys
from infra.sessions.live_sessions import CachedLiveSessions
from infra.settings.kafka import KafkaSettings
from infra.settings.model import Settings
from infra.settings.redis import RedisSettings
from infra.settings.tokens import TokenSettings
from infra.telemetry.http_observer import observe_http
from projections.kernel import read_models

Check = Callable[[], Awaitable[object]]
"""Raises while a server is not ready."""


def run(settings: Settings) -> None:
    """Serve HTTP until SIGINT or SIGTERM; open requests are answered first."""
    uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    async with open_deps(settings) as deps:
        app = create_app(deps)
        collect_rarely()
        # The first call of each takes half a second or more, for which no request should wait.
        device_name("")
        await TiktokenCounter().start()
        http = settings.http
        await serve(
            app,
            host=http.host,
            port=http.port,
            before_shutdown=deps.live.close,
            trusted_proxies=http.trusted_proxies,
        )


@asynccontextmanager
async def open_deps(settings: Settings, ports: Mapping[str, object] = MappingProxyType({})) -> AsyncIterator[Deps]:
    """Open what the HTTP adapter needs, even if a server is down. `ports`: of command handlers, instead of our own."""
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(open_write_side(settings, "api"))
        reads = await stack.enter_async_context(_open_reads(settings.redis, core))
        limits = await stack.enter_async_context(open_limits(settings, core))
        own = await stack.enter_async_context(_open_handler_ports(settings, core, limits))
        settled = await stack.enter_async_context(open_settled_bus(core, reads.store, {**own, **ports}))
        feed = await stack.enter_async_context(started(core.feed()))
        yield Deps(
            send=settled.bus.send,
            rows=reads.store,
            history=core.store,
            trail=open_audit_trail(core),
            partial_texts=PostgresPartialTexts(core.database, core.keyring),
            queue=core.queue,
            text_signals=await stack.enter_async_context(started(PostgresTextSignals(core.url))),
            positions=settled.positions,
            live=EventHub(feed, reads.store, settled.positions),
            head=feed.head,
            tokens=_tokens(settings.tokens, core.keys),
            sessions=core.sessions,
            live_sessions=_live_sessions(core),
            refresh_tokens=own["refresh_tokens"],
            csrf=open_csrf_tokens(core.keys),
            security_log=core.security_log,
            recent_documents=own["recent"],
            log=PostgresSealedLog(core.database),
            clock=utc_now,
            new_id=uuid7,
            observe=observe_http,
            checks={"database": _database_check(core), **reads.checks},
            limits=limits.requests,
            challenges=limits.challenges,
            models=own["models"],
            broker=_broker(settings.kafka),
            cors_origins=tuple(settings.http.cors_origins),
            read_wait_max=settings.http.read_wait_max,
            https=settings.http.public_url.startswith("https:"),
        )


@asynccontextmanager
async def _open_handler_ports(settings: Settings, core: WriteSide, limits: OpenLimits) -> AsyncIterator[dict[str, Any]]:
    """Open the ports of command handlers. At the end, the views of documents that wait are written."""
    recent, models = PostgresRecentDocuments(core.database, utc_now), open_models(settings.provider)
    with closing(Argon2Passwords()) as passwords:
        try:
            yield {
                "attempts": limits.attempts,
                "domain_mails": limits.domain_mails,
                "guesses": limits.guesses,
                "links": open_link_tokens(core.keys),
                "models": models,
                "passwords": passwords,
                "recent": recent,
                "records": DnsTextRecords(settings.dns.name_servers),
                "refresh_tokens": open_refresh_tokens(core.keys),
                "tokens": TiktokenCounter(),
                "try_key": open_key_trial(settings.provider, models),
            }
        finally:
            await recent.stop()


@dataclass(frozen=True, slots=True)
class _Reads:
    """The read models, and the checks of the servers they need in addition to the database."""

    store: ReadStore
    checks: Mapping[str, Check] = field(default_factory=dict)


@asynccontextmanager
async def _open_reads(settings: RedisSettings, core: WriteSide) -> AsyncIterator[_Reads]:
    """Open the read models, cached in Redis if there is one."""
    rows = PooledReadStore(core.database)
    if settings.url is None:
        yield _Reads(rows)
        return
    redis = open_redis(settings.url.get_secret_value())
    cached = CachedReadStore(rows, redis, read_models())
    try:
        yield _Reads(cached, {"redis": redis.ping})
    finally:
        await cached.close()


def _live_sessions(core: WriteSide) -> CachedLiveSessions:
    """The sessions that requests are checked against, in memory under the lease of this process."""
    sessions = CachedLiveSessions(core.database, core.lease.holds, utc_now)
    core.lease.register("sessions", sessions.drop, sessions.sweep)
    return sessions


def _database_check(core: WriteSide) -> Check:
    """The check that the database answers, that our keys are its own, and that a projector has created all tables."""

    async def check() -> None:
        await core.guard.require()
        await require_tables(core.database, read_models())

    return check


def _tokens(settings: TokenSettings, keys: ProcessKeys) -> Tokens:
    """The access tokens, signed by the keys of this process also after a rotation."""
    tokens = Tokens(
        signing_keys(keys.ring),
        issuer=settings.issuer,
        audience=settings.audience,
        lifetime=settings.ttl,
        clock=utc_now,
        new_id=uuid7,
    )
    keys.follow(lambda ring: tokens.use(signing_keys(ring)))
    return tokens


def signing_keys(ring: KeyRing) -> list[SigningKey]:
    """The signing keys of a ring, the current one first."""
    keys = sorted(ring.of(KeyKind.SIGNING), key=lambda key: key.state is not KeyState.CURRENT)
    return [SigningKey(key.id, key.secret, key.until) for key in keys]


def _broker(settings: KafkaSettings) -> Broker:
    return Broker(settings.prefix, settings.partitions, settings.replication)
