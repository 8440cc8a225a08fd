"""The worker role: policies, jobs and their schedules."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import uvloop
from uuid_utils.compat import uuid7

from adapters.dns_records import DnsTextRecords
from adapters.provider.token_counter import TiktokenCounter
from application.bus import Bus
from application.cause import Cause, present_cause
from application.commands import Command
from application.discovery import import_all
from application.known_roots import KnownRoots
from application.ports import Actor, CommandContext, ReadStore
from infra.bootstrap.files import open_files
from infra.bootstrap.lifetime import collect_rarely, first_known, retry_until_available, until_stopped
from infra.bootstrap.limits import open_buckets
from infra.bootstrap.links import open_link_tokens
from infra.bootstrap.mail import open_mailer
from infra.bootstrap.policies import react_to_events
from infra.bootstrap.provider import open_batches, open_models, open_moderation, open_provider
from infra.bootstrap.settled_bus import open_settled_bus
from infra.bootstrap.siem import deliver_history
from infra.bootstrap.write_side import WriteSide, open_write_side, utc_now
from infra.generation.partial_texts import PostgresPartialTexts
from infra.jobs.encoding import JobCodec
from infra.jobs.manager import QueueAccess
from infra.jobs.workers import run_workers
from infra.kafka.client import config
from infra.policies.tables import oldest_needed
from infra.postgres.connect import create_pool
from infra.postgres.database import Database
from infra.postgres.read_store import PooledReadStore
from infra.settings.model import Settings
from projections.content.kept_document import ReadKeptDocuments
from projections.generation.batched_generation import ReadBatchedGenerations
from projections.generation.generation import ReadUnfinishedGenerations
from projections.identity.account_deadline import ReadAccountDeadlines
from projections.identity.pending_verification import ReadUnverifiedUsers
from projections.teams.team_deadline import ReadTeamDeadlines
from projections.teams.team_domain import ReadProvedDomains

QUEUE_CONNECTIONS = 6
"""Connections that fetch jobs, and write their ends and heartbeats. They are apart: jobs cannot use them up."""

R = TypeVar("R")


class SystemSender:
    """Sends commands as the system: they have no actor. `key`: the Idempotency-Key of the command.

    They belong to the request that caused the job, below the event that did.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def __call__(self, command: Command[R], key: str) -> R:
        """Carry out a command, and return its answer. Raises as `Bus.send`."""
        return (await self._bus.send(command, _context(None, key))).answer


class UserSender:
    """Sends commands as users who have requested their effect before. Their cause is as of `SystemSender`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def __call__(self, command: Command[R], key: str, user_id: UUID, known: KnownRoots | None = None) -> R:
        """Carry out a command, and return its answer. Raises as `Bus.send`."""
        return (await self._bus.send(command, _context(Actor(user_id), key), known)).answer


def _context(actor: Actor | None, key: str) -> CommandContext:
    cause = present_cause() or Cause(uuid7())
    return CommandContext(actor, cause.correlation_id, cause.event_id, key)


def run(settings: Settings) -> None:
    """Run policies and jobs until SIGINT or SIGTERM.

    Raises:
        NoKafka: the feed of the policies is Kafka, and no broker is configured.
        WrongDeclaration: a kind of job cannot be performed as it is declared.
    """
    if settings.policies.feed == "kafka":
        config.connection(settings.kafka)
    uvloop.run(until_stopped(work(settings)))


async def work(settings: Settings) -> None:
    """Run policies and jobs until cancelled."""
    import_all("infra.jobs")  # registers the kinds of housekeeping
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(open_write_side(settings, "worker"))
        await retry_until_available(core.guard.require)
        access = await stack.enter_async_context(open_access(core))
        ports = await stack.enter_async_context(open_performer_ports(settings, core))
        codec = JobCodec(core.keys.jobs)
        # The first count takes a second, for which no job should wait.
        await ports["tokens"].start()
        collect_rarely()
        try:
            async with asyncio.TaskGroup() as tasks:
                # They do not wait for revocations: the read models may follow later than a batch may take.
                tasks.create_task(react_to_events(settings, core, core.bus({"links": ports["links"]}).send))
                tasks.create_task(deliver_history(settings.siem, core))
                tasks.create_task(run_workers(access, codec, ports, settings.jobs.queues, utc_now))
        except ExceptionGroup as group:
            raise first_known(group) from None


@asynccontextmanager
async def open_access(core: WriteSide) -> AsyncIterator[QueueAccess]:
    """Open the connections of the queue; close them at the end."""
    pool = create_pool(core.url, QUEUE_CONNECTIONS)
    await pool.open(wait=False)
    try:
        yield QueueAccess(Database(pool), core.url)
    finally:
        await pool.close()


@asynccontextmanager
async def open_performer_ports(settings: Settings, core: WriteSide) -> AsyncIterator[Mapping[str, Any]]:
    """Open the ports of performers, by the name of a parameter; close them at the end."""

    async def still_needed() -> datetime | None:
        async with core.pool.connection() as connection:
            return await oldest_needed(connection)

    links, models, counter = open_link_tokens(core.keys), open_models(settings.provider), TiktokenCounter()
    async with (
        open_buckets(settings.redis, core.blind) as buckets,
        open_provider(settings.provider, models, buckets, counter) as provider,
        open_batches(settings.provider, models, core.blind) as batches,
        open_moderation(settings.provider) as moderation,
        open_mailer(settings.mail, settings.http, settings.installation, core.blind) as mailer,
        open_settled_bus(core, PooledReadStore(core.database), {"links": links, "models": models}) as settled,
    ):
        yield {
            **_queries(PooledReadStore(core.database)),
            **_of_write_side(core),
            "archive_after": settings.documents.archive_after,
            "batches": batches,
            "files": open_files(settings.files, settings.installation),
            "holdings": settled.holdings,
            "links": links,
            "kept_mails": mailer,
            "mailer": mailer,
            "models": models,
            "moderation": moderation,
            "oldest_needed": still_needed,
            "provider": provider,
            "records": DnsTextRecords(settings.dns.name_servers),
            "send": SystemSender(settled.bus),
            "send_as_user": UserSender(settled.bus),
            "tokens": counter,
        }


def _of_write_side(core: WriteSide) -> dict[str, Any]:
    """Return the ports of performers that the write side has."""
    return {
        "addresses": core.blind,
        "clock": utc_now,
        "database": core.database,
        "digests": core.blind,
        "events": core.store,
        "new_id": uuid7,
        "partial_texts": PostgresPartialTexts(core.database, core.keyring),
        "queue": core.queue,
        "sessions": core.sessions,
    }


def _queries(rows: ReadStore) -> dict[str, Any]:
    """Return the ports of performers that read models answer."""
    return {
        "batched_generations": ReadBatchedGenerations(rows),
        "deadlines": ReadAccountDeadlines(rows),
        "kept": ReadKeptDocuments(rows),
        "proved_domains": ReadProvedDomains(rows),
        "team_deadlines": ReadTeamDeadlines(rows),
        "unfinished": ReadUnfinishedGenerations(rows),
        "unverified": ReadUnverifiedUsers(rows),
    }
