"""Three API processes for all tests of sessions: a right clock, one that is 5 minutes ahead, one 5 minutes behind."""

from collections.abc import Iterator

import pytest

from tests.support.revoking import Servers, running_servers
from tests.support.servers import Cluster, own_redis


@pytest.fixture(scope="session")
def servers(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    ahead, behind = (("tests.support.wrong_clock", str(seconds)) for seconds in (300, -300))
    folder = tmp_path_factory.mktemp("roles")
    with (
        cluster.database() as database,
        own_redis() as cache,
        running_servers(database, cache, folder, [(), ahead, behind]) as running,
    ):
        yield running
