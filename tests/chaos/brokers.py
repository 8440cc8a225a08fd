"""What can be done to the brokers of a house, and what the stream is compared with afterwards."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import KafkaError

from domain.kernel import Root
from infra.kafka.client.topics import Topics
from infra.kafka.reconcile.differences import Report
from infra.kafka.reconcile.reconcile import find_closed, reconcile
from infra.local.servers.kafka import EmbeddedKafka, KafkaQuorum
from infra.local.servers.process import free_ports
from tests.chaos.disk import small_disk
from tests.support.kafka import FAULTS, KafkaForTests
from tests.support.stores import STAMPS, open_store

PARTITIONS = 4
PATIENCE_SECONDS = 60.0
PREFERRED = 0


class Brokers:
    """One broker, or three of which one may be missing, each on a disk of its own."""

    def __init__(self, nodes: Sequence[EmbeddedKafka]) -> None:
        self.nodes = nodes
        self.topics = Topics(partitions=PARTITIONS, replication=len(nodes))

    @property
    def address(self) -> str:
        """Where clients reach them."""
        return ",".join(node.address for node in self.nodes)

    @property
    def clients(self) -> dict[str, Any]:
        """What kafka-python's clients take."""
        return {"bootstrap_servers": self.address.split(",")}

    def heal(self) -> None:
        """Start those that do not run, and wait until all serve."""
        for node in self.nodes:
            if not node.alive():
                node.launch()
        self.settle()

    def settle(self) -> None:
        """Wait until those that were started serve."""
        for node in self.nodes:
            if node.alive():
                node.wait()

    def kill(self) -> None:
        """End all as a crash would."""
        for node in self.nodes:
            node.kill()

    def reassign(self, chance: random.Random) -> None:
        """Give each partition a new leader, and some a copy less, or the one back that they lack."""
        copies = [node.node for node in self.nodes]
        names = [*self.topics.events(), *self.topics.states()]
        places = [TopicPartition(name, number) for name in names for number in range(PARTITIONS)]
        wanted = {place: chance.sample(copies, chance.choice([2, 3])) for place in places}
        with suppress(KafkaError), closing(KafkaAdminClient(**self.clients)) as admin:
            admin.alter_partition_reassignments(wanted)
            admin.elect_leaders(PREFERRED, raise_errors=False)

    def compare(self, url: str, topics: Topics | None = None, patience: float = PATIENCE_SECONDS) -> Report:
        """Topics, ours if not given, with the log; what is on its way is given `patience` seconds."""

        async def ask(kind: type[Root], ids: Sequence[UUID]) -> set[UUID]:
            async with open_store(url) as opened:
                return await find_closed(opened.store, kind, ids)

        def gone(kind: type[Root], ids: Sequence[UUID]) -> set[UUID]:
            return asyncio.run(ask(kind, ids))

        return reconcile(url, self.clients, topics or self.topics, STAMPS, gone, timeout=patience)


def open_brokers(folder: Path, count: int, stack: ExitStack) -> Brokers:
    """So many, started, in folders of their own until the stack unwinds."""
    ports = free_ports(2 * count)
    quorum = KafkaQuorum(dict(enumerate(ports[count:], start=1)))
    nodes = []
    for number, port in zip(quorum.controllers, ports, strict=False):
        place = folder / f"kafka{number}"
        stack.enter_context(small_disk(place))
        nodes.append(_node(place, port, number, quorum))
    brokers = Brokers(nodes)
    stack.callback(brokers.kill)
    brokers.heal()
    return brokers


def _node(place: Path, port: int, number: int, quorum: KafkaQuorum) -> EmbeddedKafka:
    copies = len(quorum.controllers)
    settings = {**FAULTS, "default.replication.factor": str(copies), "min.insync.replicas": str(max(1, copies - 1))}
    return KafkaForTests(place, port=port, settings=settings, megabytes=256, node=number, quorum=quorum)
