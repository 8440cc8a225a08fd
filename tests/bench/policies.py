"""Policies: events into jobs while catching up and while they come, and what the loop costs while nothing happens.

The policy enqueues a job for each event. The jobs go into a table with the columns of a queue: what the queue itself
costs is not measured here.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from time import perf_counter, process_time

import psycopg

from application.cause import Cause
from application.jobs import Job
from application.policy import Policy, Reaction, policy
from domain.content.document import Document
from infra.bootstrap.policies import policy_loop
from infra.bootstrap.write_side import WriteSide
from infra.policies.consumer import PolicyParts
from infra.policies.consumer_set import PolicyConsumers
from infra.policies.tables import POLICY_CHECKPOINTS, ensure_checkpoints
from infra.postgres.arrays import Texts
from infra.postgres.projector_connection import Connection, connect
from infra.projector.read_ahead import BufferedFeed
from tests.bench import ours
from tests.bench.fill import fill
from tests.bench.harness import Bench, Row, below, told
from tests.bench.visible import Moments, append, at_share, delays_of
from tests.support.servers import Database
from tests.support.waiting import until

EVENTS, VERSIONS = 20_000, 10
RATE, SECONDS, SETTLING_SECONDS, IDLE_SECONDS = 100, 20.0, 2.0, 10.0
MAX_MILLISECONDS, MAX_DELAY_MILLISECONDS, MAX_IDLE_PERCENT = 0.5, 100.0, 2.0
"""For 2,000 jobs a second; from the acknowledgement of an event to its job; of a core."""
PATIENCE, CATCH_UP_SECONDS = 2.0, 300.0

CREATE = """
CREATE TABLE public.bench_jobs (
    id bigserial PRIMARY KEY, queue text NOT NULL, args jsonb NOT NULL, status text NOT NULL DEFAULT 'todo'
);
CREATE INDEX ON public.bench_jobs (queue, id) WHERE status = 'todo';
GRANT ALL ON public.bench_jobs, public.bench_jobs_id_seq TO PUBLIC;
GRANT USAGE ON SCHEMA public TO PUBLIC
"""
ENQUEUE = """
WITH added AS (
    INSERT INTO public.bench_jobs (queue, args)
    SELECT 'default', jsonb_build_object('effect', effect) FROM unnest(%b::text[]) AS effect RETURNING id
)
SELECT pg_notify('bench_jobs', count(*)::text) FROM added
"""
REACHED = "SELECT true FROM policies WHERE name = 'index_document' AND position >= %s"
REGISTRY: dict[str, Policy] = {}


class IndexDocument(Job, frozen=True, kw_only=True):
    """A job for each event."""

    kind = "index_document"
    about: str

    @property
    def effect_key(self) -> str:
        return self.about


@policy(since="beginning", registry=REGISTRY)
def index_document(event: Document.Created | Document.Saved) -> list[Reaction]:
    """One job."""
    return [IndexDocument(about=f"{event.originator_id}:{event.originator_version}")]


def rows(bench: Bench) -> Iterator[Row]:
    """There is no peer."""
    with bench.database() as database, ours.opened(database, "worker") as own:
        _execute(database, CREATE)
        documents = bench.count(EVENTS // VERSIONS)
        fill(own.core, database.admin_url, documents, VERSIONS)
        events = documents * VERSIONS
        [seconds] = bench.in_turns(lambda: own(_catch_up, database, events))
        yield below("policy: events into jobs", "ms/job", [1_000 * each / events for each in seconds], MAX_MILLISECONDS)
        own(_delays, bench.seconds(SETTLING_SECONDS))
        delays = own(_delays, bench.seconds(SECONDS))
        name = f"event to job, {RATE} events/s"
        yield told(f"{name}: p50", "ms", at_share(delays, 0.5))
        yield below(f"{name}: p99", "ms", [at_share(delays, 0.99)], MAX_DELAY_MILLISECONDS)
        yield below("idle policies", "% of a core", [own(_idle, bench.seconds(IDLE_SECONDS))], MAX_IDLE_PERCENT)


async def _enqueue(connection: Connection, jobs: Sequence[Job], _: Sequence[Cause]) -> None:
    await connection.execute(ENQUEUE, [Texts(job.effect_key for job in jobs)])


@asynccontextmanager
async def _running(core: WriteSide) -> AsyncIterator[None]:
    feed = core.feed()
    await feed.start()
    parts = PolicyParts(core.bus({}).send, _enqueue, core.keyring.stamps)
    recent = BufferedFeed(feed, core.lease.holds)
    consumers = PolicyConsumers([REGISTRY["index_document"]], parts)
    task = asyncio.create_task(policy_loop(consumers, recent, feed, core.url, None).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await recent.stop()
        await feed.stop()


async def _catch_up(core: WriteSide, database: Database, events: int) -> float:
    """The seconds to bring all events of the log into jobs."""
    async with await connect(core.url) as own:
        await own.execute("DELETE FROM public.bench_jobs")
        await ensure_checkpoints(own, [REGISTRY["index_document"]])
        await POLICY_CHECKPOINTS.advance(own, ["index_document"], 0)
    started = perf_counter()
    async with _running(core):
        with psycopg.connect(database.admin_url, autocommit=True) as connection:
            await until(lambda: connection.execute(REACHED, [events]).fetchone(), CATCH_UP_SECONDS)
        return perf_counter() - started


async def _delays(core: WriteSide, seconds: float) -> list[float]:
    """Milliseconds from the acknowledgement of each append to its job, the shortest first."""
    async with await psycopg.AsyncConnection.connect(core.url, autocommit=True) as connection, _running(core):
        await connection.execute("LISTEN bench_jobs")
        seen: Moments = []
        head = await core.feed().head()
        watching = asyncio.create_task(_watch(connection, head, seen))
        acknowledged = await append(core, seconds, RATE)
        await asyncio.sleep(PATIENCE)
        watching.cancel()
    return sorted(delays_of(acknowledged, seen))


async def _watch(connection: psycopg.AsyncConnection, head: int, seen: Moments) -> None:
    """Note when the jobs of each position became visible: every event has one, and they come in order."""
    async for note in connection.notifies():
        head += int(note.payload)
        seen.append((head, perf_counter()))


async def _idle(core: WriteSide, seconds: float) -> float:
    """The share of a core, in percent, that the loop and the write side use while nothing happens."""
    async with _running(core):
        await asyncio.sleep(1)
        before, started = process_time(), perf_counter()
        await asyncio.sleep(seconds)
        return 100 * (process_time() - before) / (perf_counter() - started)


def _execute(database: Database, statement: str) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(statement.encode())
