"""What each role takes of memory once it has seen a million events: told, without a target."""

from collections.abc import Iterator

from tests.bench import ours, processes
from tests.bench.fill import fill
from tests.bench.harness import Bench, Row, told
from tests.bench.project import VERSIONS
from tests.support.servers import open_folder, own_redis

EVENTS = 1_000_000
PATIENCE = 600.0


def rows(bench: Bench) -> Iterator[Row]:
    """Resident, when the projector has built all read models from the log."""
    documents = bench.count(EVENTS // VERSIONS)
    with (
        bench.database() as database,
        ours.opened(database) as own,
        own_redis() as redis,
        open_folder() as folder,
    ):
        fill(own.core, database.admin_url, documents, VERSIONS)
        with (
            processes.api(database, folder, redis.url) as api,
            processes.role("projector", database, folder, redis.url) as projector,
            processes.role("worker", database, folder, redis.url) as worker,
        ):
            processes.wait_for_projector(database, PATIENCE)
            for role, pid in (("api", api.pid), ("projector", projector), ("worker", worker)):
                name = f"memory of `palimpsest {role}`, {documents * VERSIONS:,} events"
                yield told(name, "MiB", processes.resident(pid))
