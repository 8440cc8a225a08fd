"""The policies of the worker role: the loop that feeds them, from the log or from Kafka, and their lag metrics."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from kafka import KafkaConsumer

from application.policy import POLICIES, Policy
from application.ports import EventFeed, PartitionedFeed
from infra.bootstrap.lifetime import started
from infra.bootstrap.write_side import WriteSide, load_use_cases
from infra.kafka.client import config
from infra.kafka.consumer.feed import KafkaFeed
from infra.policies.commands import PolicySend
from infra.policies.consumer import PolicyParts
from infra.policies.consumer_set import PolicyConsumers
from infra.policies.small_batches import SmallBatches
from infra.policies.tables import POLICY_GAUGES, register_policies
from infra.postgres.migrate import migrate
from infra.projector.lag import LagMonitor
from infra.projector.log_projector import LogProjector
from infra.projector.loop import ProjectorLoop
from infra.projector.partitioned_projector import PartitionedProjector
from infra.projector.read_ahead import BufferedFeed
from infra.settings.model import Settings


def update_schema(url: str) -> list[str]:
    """Migrate the database, then create the checkpoints of new policies. Returns the names of the applied files.

    Raises:
        SetupError: the database does not answer or is not prepared, or refuses a file.
    """
    applied = migrate(url)
    load_use_cases()
    register_policies(url, POLICIES.values())
    return applied


def policy_parts(core: WriteSide, send: PolicySend) -> PolicyParts:
    """Return what policies work with. `send`: sends their commands."""
    return PolicyParts(send, core.queue.enqueue_on, core.keyring.stamps)


async def react_to_events(settings: Settings, core: WriteSide, send: PolicySend) -> None:
    """Let all policies react to the events of the log, until cancelled. `send`: sends their commands.

    Raises:
        NoKafka: the feed is Kafka, and no broker is configured.
    """
    async with started(core.feed()) as feed, _open_partitions(settings, core, feed) as partitions:
        await run_policies([*POLICIES.values()], core, feed, policy_parts(core, send), partitions)


async def run_policies(
    policies: Sequence[Policy],
    core: WriteSide,
    feed: EventFeed,
    parts: PolicyParts,
    partitions: PartitionedFeed | None = None,
) -> None:
    """React to the events of the log until cancelled. The feeds must be started.

    With `partitions` the events come from there, and `feed` supplies events that are missing there.
    """
    if not policies:
        return
    consumers = PolicyConsumers(policies, parts)
    recent = BufferedFeed(feed, core.lease.holds)
    core.lease.register("data_keys", recent.drop)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        stack.push_async_callback(recent.stop)
        tasks.create_task(policy_loop(consumers, recent, feed, core.url, partitions).run())
        tasks.create_task(LagMonitor([policy.name for policy in policies], feed, core.url, POLICY_GAUGES).run())


def policy_loop(
    consumers: PolicyConsumers,
    recent: BufferedFeed,
    feed: EventFeed,
    url: str,
    partitions: PartitionedFeed | None,
) -> ProjectorLoop:
    """Return the loop, not started."""
    if partitions is None:
        return LogProjector(consumers, recent, feed, url)
    small = SmallBatches(partitions, lambda: consumers.batch_size)
    return PartitionedProjector(consumers, small, recent, feed, url)


@asynccontextmanager
async def _open_partitions(
    settings: Settings, core: WriteSide, feed: EventFeed
) -> AsyncIterator[PartitionedFeed | None]:
    """The feed from Kafka, with a consumer group of the policies' own; None if policies read the log."""
    if settings.policies.feed == "store":
        yield None
        return
    # The client logs every connection attempt; the feed logs once that it waits, and why.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    topics = config.topics(settings.kafka)
    consumer = partial(KafkaConsumer, **config.connection(settings.kafka))
    async with started(KafkaFeed(consumer, topics, f"{topics.prefix}.policies", core.keyring, feed)) as partitions:
        yield partitions
