"""The projector, wired: the log, or Kafka where that is wanted, the read models, and Redis where there is one."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvloop
from kafka import KafkaConsumer

from application.ports import PartitionedFeed
from infra.bootstrap.lifetime import collect_rarely, once_available, until_stopped
from infra.bootstrap.projections import prepare_tables, project
from infra.bootstrap.write_side import WriteSide, open_write_side
from infra.kafka.client import clients
from infra.kafka.consumer.feed import KafkaFeed
from infra.postgres.read_store import PooledReadStore
from infra.settings.model import Settings
from infra.store.feed import PostgresEventFeed
from projections.kernel import read_models


def run(settings: Settings) -> None:
    """Keep the read models up to date until SIGINT or SIGTERM.

    Raises:
        NoKafka: Kafka is to feed them, and no broker is named.
    """
    if settings.projector.feed == "kafka":
        clients.connection(settings.kafka)
        # The client tells of every single attempt; the feed says that it waits, and why.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
    uvloop.run(until_stopped(_project(settings)))


async def _project(settings: Settings) -> None:
    models = read_models()
    redis_url = settings.redis.url.get_secret_value() if settings.redis.url else None
    async with open_write_side(settings) as core:
        feed = core.feed()
        await feed.start()
        try:
            await once_available(lambda: prepare_tables(core.url, models))
            collect_rarely()
            async with _partitions(settings, core, feed) as partitions:
                await project(models, feed, PooledReadStore(core.database), core.url, redis_url, partitions)
        finally:
            await feed.stop()


@asynccontextmanager
async def _partitions(
    settings: Settings, core: WriteSide, store: PostgresEventFeed
) -> AsyncIterator[PartitionedFeed | None]:
    """The feed from Kafka, started, where it is wanted."""
    if settings.projector.feed == "store":
        yield None
        return
    topics = clients.topics(settings.kafka)
    consumer = partial(KafkaConsumer, **clients.connection(settings.kafka))
    feed = KafkaFeed(consumer, topics, f"{topics.prefix}.projector", core.keyring, store)
    await feed.start()
    try:
        yield feed
    finally:
        await feed.stop()
