"""The projector, wired: the log, the read models, and Redis where there is one."""

import uvloop

from infra.bootstrap.lifetime import collect_rarely, once_available, until_stopped
from infra.core import open_core
from infra.projector.service import prepare_tables, project
from infra.rows import PooledRows
from infra.settings import Settings
from projections.kernel import read_models


def run(settings: Settings) -> None:
    """Keep the read models up to date until SIGINT or SIGTERM."""
    uvloop.run(until_stopped(_project(settings)))


async def _project(settings: Settings) -> None:
    models = read_models()
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else None
    async with open_core(settings) as core:
        feed = core.feed()
        await feed.start()
        try:
            await once_available(lambda: prepare_tables(core.url, models))
            collect_rarely()
            await project(models, feed, PooledRows(core.database), core.url, redis_url)
        finally:
            await feed.stop()
