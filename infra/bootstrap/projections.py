"""The projector's role, wired: tables, Redis and gauges, kept up to date by one process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from application.ports import EventFeed, PartitionedFeed
from infra.cache.read_cache import open_redis
from infra.cache.updater import CacheUpdater
from infra.postgres.projector_connection import connect
from infra.postgres.read_store import PooledReadStore
from infra.projector.lag import LagMonitor
from infra.projector.log_projector import LogProjector
from infra.projector.loop import ProjectorLoop
from infra.projector.partitioned_projector import PartitionedProjector
from infra.projector.position_tracker import PositionTracker
from infra.projector.read_ahead import BufferedFeed
from infra.projector.rebuild.rebuild import rebuild
from infra.projector.schema import ensure_tables
from projections.kernel import ReadModel

REDIS_SECONDS = 2.0


async def prepare_tables(url: str, models: Sequence[ReadModel]) -> None:
    """Make the tables that are not there yet, so that they can be read, empty, before a projector has ever run.

    Raises:
        Unavailable: the database does not answer.
    """
    async with await connect(url) as connection:
        await ensure_tables(connection, models)


async def project(
    models: Sequence[ReadModel],
    feed: EventFeed,
    rows: PooledReadStore,
    url: str,
    redis_url: str | None = None,
    partitions: PartitionedFeed | None = None,
) -> None:
    """Keep the tables of `models`, and what Redis keeps of them, up to date until cancelled. Feeds are started.

    `partitions` feeds the tables, in place of `feed`, which then helps out.
    """
    recent = BufferedFeed(feed)
    projector = _projector(models, recent, feed, url, partitions)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        stack.push_async_callback(recent.stop)
        tasks.create_task(projector.run())
        tasks.create_task(LagMonitor(models, feed, url).run())
        if redis_url is not None:
            for follower in await stack.enter_async_context(_followers(models, recent, rows, url, redis_url)):
                tasks.create_task(follower.run())


def _projector(
    models: Sequence[ReadModel], recent: BufferedFeed, feed: EventFeed, url: str, partitions: PartitionedFeed | None
) -> ProjectorLoop:
    async def anew(model: ReadModel) -> None:
        await rebuild(model, feed, url)

    if partitions is None:
        return LogProjector(models, recent, feed, url, anew)
    return PartitionedProjector(models, partitions, recent, feed, url, anew)


@asynccontextmanager
async def _followers(
    models: Sequence[ReadModel], recent: BufferedFeed, rows: PooledReadStore, url: str, redis_url: str
) -> AsyncIterator[list[CacheUpdater]]:
    positions = PositionTracker(url)
    await positions.start()
    redis = open_redis(redis_url, timeout=REDIS_SECONDS)
    try:
        yield [
            CacheUpdater(model, model.cached, recent, positions, rows, redis)
            for model in models
            if model.cached is not None
        ]
    finally:
        await redis.aclose()
        await positions.stop()
