"""The parts of a projector: read model tables, Redis cache and lag metrics."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from application.ports import EventFeed, PartitionedFeed
from infra.bootstrap.lifetime import started
from infra.cache.read_cache import open_redis
from infra.cache.updater import CacheUpdater
from infra.postgres.cache_lease import CacheLease
from infra.postgres.projector_connection import connect
from infra.postgres.read_store import PooledReadStore
from infra.projector.lag import LagMonitor
from infra.projector.log_projector import LogProjector
from infra.projector.loop import ProjectorLoop
from infra.projector.partitioned_projector import PartitionedProjector
from infra.projector.position_tracker import PositionTracker
from infra.projector.read_ahead import BufferedFeed
from infra.projector.read_models import ReadModels
from infra.projector.rebuild.abandoned import drop_repeatedly
from infra.projector.rebuild.rebuild import rebuild
from infra.projector.schema import ensure_tables
from projections.kernel import ReadModel

REDIS_TIMEOUT_SECONDS = 2.0


async def prepare_tables(url: str, models: Sequence[ReadModel]) -> None:
    """Create missing tables, so that they can be read before events have been applied. Only the projector may do so.

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
    lease: CacheLease | None = None,
) -> None:
    """Keep the tables of `models` and their cached rows up to date until cancelled. The feeds must be started.

    With `partitions` the tables are fed from there, and `feed` supplies events that are missing there. Through `lease`
    erasures reach the events in memory.
    """
    if lease is None:
        recent = BufferedFeed(feed)
    else:
        recent = BufferedFeed(feed, lease.holds)
        lease.register("data_keys", recent.drop)
    projector = _projector(models, recent, feed, url, partitions)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        stack.push_async_callback(recent.stop)
        tasks.create_task(projector.run())
        tasks.create_task(LagMonitor([model.name for model in models], feed, url).run())
        tasks.create_task(drop_repeatedly(url))
        if redis_url is not None:
            for updater in await stack.enter_async_context(_open_updaters(models, recent, rows, url, redis_url)):
                tasks.create_task(updater.run())


def _projector(
    models: Sequence[ReadModel], recent: BufferedFeed, feed: EventFeed, url: str, partitions: PartitionedFeed | None
) -> ProjectorLoop:
    async def rebuild_table(model: ReadModel) -> None:
        await rebuild(model, feed, url)

    consumers = ReadModels(models, rebuild_table)
    if partitions is None:
        return LogProjector(consumers, recent, feed, url)
    return PartitionedProjector(consumers, partitions, recent, feed, url)


@asynccontextmanager
async def _open_updaters(
    models: Sequence[ReadModel], recent: BufferedFeed, rows: PooledReadStore, url: str, redis_url: str
) -> AsyncIterator[list[CacheUpdater]]:
    """A cache updater for each read model that Redis caches."""
    async with (
        started(PositionTracker(url)) as positions,
        aclosing(open_redis(redis_url, timeout=REDIS_TIMEOUT_SECONDS)) as redis,
    ):
        yield [
            CacheUpdater(model, model.cached, recent, positions, rows, redis)
            for model in models
            if model.cached is not None
        ]
