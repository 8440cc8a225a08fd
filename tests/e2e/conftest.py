"""The whole service, once for the tests of a module."""

from collections.abc import Iterator

import pytest

from infra.local.servers.redis import EmbeddedRedis
from tests.support.api import Api, running_api
from tests.support.servers import Cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster, redis_server: EmbeddedRedis) -> Iterator[Api]:
    """The running service, on a database of its own."""
    with cluster.database() as database, running_api(database.admin_url, redis_server.url) as running:
        yield running
