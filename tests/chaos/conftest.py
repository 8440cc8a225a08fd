"""A short real run, once for the tests of a process."""

from collections.abc import Iterator

import pytest
import redis

from infra.local.servers.redis import EmbeddedRedis
from tests.chaos.house import House
from tests.chaos.real import Real
from tests.chaos.run import run
from tests.support.servers import Cluster, redis_admin

SECONDS = 4.0
SEED = 20261122


@pytest.fixture(scope="session")
def real(cluster: Cluster, redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """A short run in which nothing is killed."""
    with redis.Redis.from_url(redis_admin(redis_server.url)) as client:
        client.flushall()
    with cluster.database() as database:
        house = House(tmp_path_factory.mktemp("house"), database.app_url, database.admin_url, redis_server.url)
        try:
            house.furnish()
            outcome = run(house, SEED, SECONDS, kill=False)
        finally:
            house.stop_roles()
        yield Real(outcome, database, cluster, house.mails)
