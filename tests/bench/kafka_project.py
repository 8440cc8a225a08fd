"""A read model that Kafka feeds: documents as they are now, from a backlog, by one process and by two that share it.

The events are sealed, as everywhere. A projector is a process of its own: it joins the group, then waits for the start.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import count
from time import perf_counter

import psycopg
import uvloop
from kafka import KafkaConsumer

from infra.bootstrap.lifetime import collect_rarely
from infra.bootstrap.write_side import open_write_side
from infra.kafka.client.topics import Topics
from infra.kafka.consumer.feed import KafkaFeed
from infra.projector.partitioned_projector import PartitionedProjector
from infra.projector.read_ahead import BufferedFeed
from infra.projector.read_models import ReadModels
from infra.projector.rebuild.rebuild import rebuild
from infra.settings.load import load
from projections.content.document import DocumentDetails
from projections.kernel import ReadModel
from tests.bench import ours, project
from tests.bench.fill import fill
from tests.bench.harness import Bench, Row, against
from tests.bench.processes import running, wait_until
from tests.support.kafka import own_kafka
from tests.support.publishing import Publisher, publishing
from tests.support.servers import Database

VERSIONS = 10
WANTED = 15_000.0
MORE = 1.05
"""What two processes must reach of one: more, and not by chance."""
# From the start, a backlog would be rebuilt aside.
RESTART = """
TRUNCATE read.document; DELETE FROM projection_partitions;
UPDATE projections SET position = 1, partitions = 0 WHERE name = 'document'
"""
REACHED = "SELECT position >= %s FROM projections WHERE name = 'document'"

groups = (f"bench{number}" for number in count(1))


def rows(bench: Bench) -> Iterator[Row]:
    """One process against what is wanted, two against one."""
    documents = bench.count(6_000)
    with own_kafka() as broker, bench.database() as database, ours.opened(database, "projector") as own:
        fill(own.core, database.admin_url, documents, VERSIONS)
        own(project.prepare, DocumentDetails())
        with publishing(broker.address, Topics("bench-project"), database.admin_url) as publisher:
            head = publisher.publish()
            one, two = bench.in_turns(
                lambda: share(publisher, database, 1, head), lambda: share(publisher, database, 2, head)
            )
    name = "live projection from Kafka"
    yield against(f"{name}, 1 process (peer: what is wanted)", project.UNIT, one, [WANTED] * len(one), reach=1)
    yield against(f"{name}, 2 processes (peer: 1)", project.UNIT, two, one, reach=MORE)


def share(publisher: Publisher, database: Database, processes: int, head: int) -> float:
    """Events a second that so many projectors take in, from when all have joined."""
    project.execute(database, RESTART)
    topics = publisher.topics
    arguments = [publisher.servers, topics.prefix, str(topics.partitions), next(groups)]
    with ExitStack() as stack:
        projectors = [
            stack.enter_context(_projector(database, *arguments, str(topics.partitions // processes)))
            for _ in range(processes)
        ]
        for projector in projectors:
            assert projector.stdout
            assert projector.stdout.readline()
        began = perf_counter()
        for projector in projectors:
            assert projector.stdin
            projector.stdin.close()
        with psycopg.connect(database.admin_url, autocommit=True) as connection:
            wait_until(lambda: connection.execute(REACHED, [head]).fetchone() == (True,), "all is projected")
        return (head - 1) / (perf_counter() - began)


def _projector(database: Database, *arguments: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    """It says when it has joined, and starts when its standard input ends."""
    environment = ours.environment(database)
    return running(
        "tests.bench.kafka_project", *arguments, environment=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


async def follow(servers: str, prefix: str, partitions: str, group: str, share: str) -> None:
    """Project until killed, once `share` partitions have come and standard input has ended."""
    async with open_write_side(load(), "projector") as core:
        store, model = core.feed(), DocumentDetails()
        consumer = partial(KafkaConsumer, bootstrap_servers=servers)
        feed = KafkaFeed(consumer, Topics(prefix, int(partitions)), group, core.keyring, store)
        await feed.start()
        while len(feed.newly_assigned()) != int(share):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
        print("joined", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        collect_rarely()

        async def rebuilt(model: ReadModel) -> None:
            await rebuild(model, store, core.url)

        await PartitionedProjector(ReadModels([model], rebuilt), feed, BufferedFeed(store), store, core.url).run()


if __name__ == "__main__":
    uvloop.run(follow(*sys.argv[1:]))
