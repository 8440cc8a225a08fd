"""The projector role: keeps the read models up to date, from the log or from Kafka."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvloop
from kafka import KafkaConsumer

from application.ports import PartitionedFeed
from infra.bootstrap.lifetime import collect_rarely, retry_until_available, started, until_stopped
from infra.bootstrap.projections import prepare_tables, project
from infra.bootstrap.write_side import WriteSide, open_write_side
from infra.kafka.client import config
from infra.kafka.consumer.feed import KafkaFeed
from infra.postgres.read_store import PooledReadStore
from infra.settings.model import Settings
from infra.store.feed import PostgresEventFeed
from projections.kernel import read_models


def run(settings: Settings) -> None:
    """Keep the read models up to date until SIGINT or SIGTERM.

    Raises:
        NoKafka: the feed is Kafka, and no broker is configured.
    """
    if settings.projector.feed == "kafka":
        config.connection(settings.kafka)
        # The client logs every connection attempt; the feed logs once that it waits, and why.
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
    uvloop.run(until_stopped(_project(settings)))


async def _project(settings: Settings) -> None:
    models = read_models()
    redis_url = settings.redis.url.get_secret_value() if settings.redis.url else None
    async with open_write_side(settings, "projector") as core, started(core.feed()) as feed:
        await retry_until_available(core.guard.require)
        await retry_until_available(lambda: prepare_tables(core.url, models))
        collect_rarely()
        async with _open_partitions(settings, core, feed) as partitions:
            await project(models, feed, PooledReadStore(core.database), core.url, redis_url, partitions, core.lease)


@asynccontextmanager
async def _open_partitions(
    settings: Settings, core: WriteSide, store: PostgresEventFeed
) -> AsyncIterator[PartitionedFeed | None]:
    """The feed from Kafka; None if the projector reads the log."""
    if settings.projector.feed == "store":
        yield None
        return
    topics = config.topics(settings.kafka)
    consumer = partial(KafkaConsumer, **config.connection(settings.kafka))
    async with started(KafkaFeed(consumer, topics, f"{topics.prefix}.projector", core.keyring, store)) as feed:
        yield feed
