"""Runs policies in tests, and looks at what they cause. Jobs go into a table of the tests' own."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from uuid_utils.compat import uuid7

from application.bus import Bus
from application.cause import Cause
from application.jobs import Job
from application.policy import Policy
from infra.bootstrap.policies import policy_loop
from infra.kafka.consumer.feed import KafkaFeed
from infra.policies.consumer import EnqueueOn, PolicyParts
from infra.policies.consumer_set import PolicyConsumers
from infra.policies.tables import ensure_checkpoints
from infra.postgres.arrays import Texts
from infra.postgres.projector_connection import Connection, connect
from infra.projector.read_ahead import BufferedFeed
from tests.support.feeding import Feeding, FromKafka
from tests.support.mirror import Announce
from tests.support.note import NOW
from tests.support.stores import Opened, rows
from tests.support.waiting import MAX_WAIT_SECONDS, until

CREATE = """
CREATE SCHEMA testing;
CREATE TABLE testing.jobs (number bigserial PRIMARY KEY, effect text NOT NULL, content text NOT NULL);
GRANT ALL ON ALL TABLES IN SCHEMA testing TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA testing TO PUBLIC;
GRANT USAGE ON SCHEMA testing TO PUBLIC
"""
ENQUEUE = "INSERT INTO testing.jobs (effect, content) SELECT * FROM unnest(%b::text[], %b::text[])"


def create_job_table(admin_url: str) -> None:
    """Create the table of jobs."""
    rows(admin_url, CREATE)


async def enqueue_on(connection: Connection, jobs: Sequence[Job], _: Sequence[Cause]) -> None:
    """Keep jobs in the table of the tests."""
    contents = Texts(job.text if isinstance(job, Announce) else "" for job in jobs)
    await connection.execute(ENQUEUE, [Texts(job.effect_key for job in jobs), contents])


def jobs_in(admin_url: str) -> Counter[str]:
    """How often each job was enqueued, by effect key."""
    return Counter(str(effect) for (effect,) in rows(admin_url, "SELECT effect FROM testing.jobs"))


def bus_on(opened: Opened) -> Bus:
    """A bus as the worker has it."""
    return Bus(opened.store, {"clock": lambda: NOW, "new_id": uuid7}, opened.blind)


def parts_of(opened: Opened, enqueue: EnqueueOn = enqueue_on) -> PolicyParts:
    """What policies work with."""
    return PolicyParts(bus_on(opened).send, enqueue, opened.keyring.stamps)


@dataclass(frozen=True, slots=True)
class Reacting:
    """Policies at work. `publish` brings the log up to now to their feed, and returns its last position."""

    policies: Sequence[Policy]
    publish: Callable[[], Awaitable[int]]
    url: str

    async def reached(self, patience: float = MAX_WAIT_SECONDS) -> None:
        """Wait until all policies have reached the present end of the log."""
        goal = await self.publish()
        await until(lambda: all(at >= goal for at in self.positions().values()), patience)

    def positions(self) -> dict[str, int]:
        """The checkpoints."""
        found = dict(rows(self.url, "SELECT name, position FROM policies"))
        return {policy.name: int(found[policy.name]) for policy in self.policies}


@asynccontextmanager
async def reacting(feeding: Feeding, *policies: Policy, parts: PolicyParts | None = None) -> AsyncIterator[Reacting]:
    """Policies that run meanwhile, from the same kind of feed."""
    opened = feeding.opened
    async with await connect(opened.url) as connection:
        await ensure_checkpoints(connection, policies)
    store = opened.feed()
    recent = BufferedFeed(store)
    consumers = PolicyConsumers(policies, parts or parts_of(opened))
    partitions = None
    publish: Callable[[], Awaitable[int]] = store.head
    if isinstance(feeding, FromKafka):
        publisher = feeding.publisher
        publish = partial(asyncio.to_thread, publisher.publish)
        group = f"{publisher.topics.prefix}.policies"
        partitions = KafkaFeed(publisher.consumer, publisher.topics, group, opened.keyring, store)
        await partitions.start()
    await store.start()
    task = asyncio.create_task(policy_loop(consumers, recent, store, opened.url, partitions).run())
    try:
        yield Reacting(policies, publish, opened.url)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await recent.stop()
        await store.stop()
        if partitions is not None:
            await partitions.stop()
