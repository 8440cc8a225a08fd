"""The read models as commands read and erase them: through the cache, if there is one."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from redis.exceptions import RedisError

from application.ports import ReadStore
from infra.bootstrap.write_side import WriteSide
from infra.cache.read_cache import CachedReadStore, open_redis
from infra.errors import SetupError
from infra.postgres.read_store import PooledReadStore
from infra.settings.model import Settings
from projections.kernel import read_models


@asynccontextmanager
async def open_cached_reads(settings: Settings, core: WriteSide) -> AsyncIterator[ReadStore]:
    """Open the read models. Without an answer of a configured cache, nothing can be erased from it.

    Raises:
        SetupError: the cache does not answer.
    """
    rows = PooledReadStore(core.database)
    if settings.redis.url is None:
        yield rows
        return
    async with aclosing(open_redis(settings.redis.url.get_secret_value(), timeout=2.0)) as redis:
        try:
            await redis.ping()
        except (RedisError, OSError, TimeoutError):
            raise SetupError("Redis does not answer, so nothing can be erased from the cache. Start it.") from None
        yield CachedReadStore(rows, redis, read_models())
