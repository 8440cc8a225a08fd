"""Real brokers for tests, which can be killed, frozen and started again."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from infra.kafka.client.topics import Topics
from infra.local.servers.kafka import EmbeddedKafka, KafkaQuorum
from infra.local.servers.process import free_port, free_ports
from tests.support.servers import open_folder

FAULTS = {
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "replica.lag.time.max.ms": "3000",
}
"""Settings with which a cluster soon gives up a dead node."""

SMALL_INDEXES = {"log.index.size.max.bytes": "65536"}
"""The room for the indexes of a segment: by default 20 MB for each partition, which takes a third of its creation."""


@contextmanager
def own_kafka(folder: Path | None = None, megabytes: int = 256, /, **settings: str) -> Iterator[EmbeddedKafka]:
    """A broker for one test, to kill and start again. It keeps its ports. `megabytes`: the limit of its heap."""
    with open_folder() as parent:
        broker = EmbeddedKafka(
            folder or parent / "kafka", settings={**SMALL_INDEXES, **settings}, port=free_port(), megabytes=megabytes
        )
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


def own_topics(partitions: int = 8, replication: int = 1) -> Topics:
    """Topics for one test alone."""
    return Topics(f"test-{uuid4().hex[:12]}", partitions, replication)


class Brokers:
    """A cluster of three nodes that tolerates the loss of one. Each can be killed, frozen and started again."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        ports = free_ports(6)
        quorum = KafkaQuorum(dict(enumerate(ports[3:], start=1)))
        self.nodes = [
            EmbeddedKafka(
                folder / str(node),
                port=port,
                settings={**FAULTS, **SMALL_INDEXES, **settings},
                megabytes=256,
                node=node,
                quorum=quorum,
            )
            for node, port in zip(quorum.controllers, ports, strict=False)
        ]

    @property
    def address(self) -> str:
        """The addresses of all three nodes."""
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """Start all nodes, and wait until they serve."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()

    def kill(self) -> None:
        """Kill all nodes."""
        for node in self.nodes:
            node.kill()


@contextmanager
def three_brokers(**settings: str) -> Iterator[Brokers]:
    """A cluster for one test. Its topics should have three replicas; a write needs two."""
    with open_folder() as folder:
        brokers = Brokers(folder, settings)
        try:
            brokers.start()
            yield brokers
        finally:
            brokers.kill()
