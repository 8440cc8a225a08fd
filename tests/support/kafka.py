"""Real brokers for tests: one for all tests of a process, and ones to be killed, frozen and started again."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from infra.kafka.client.topics import Topics
from infra.local.servers.kafka import EmbeddedKafka, KafkaQuorum
from infra.local.servers.process import free_port
from tests.support.servers import open_folder

FAULTS = {
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "replica.lag.time.max.ms": "3000",
}
"""A cluster that soon does without a node that is gone."""


@contextmanager
def own_kafka(folder: Path | None = None, **settings: str) -> Iterator[EmbeddedKafka]:
    """A broker of one's own, to kill and start again; it keeps its ports."""
    with open_folder() as parent:
        broker = EmbeddedKafka(folder or parent / "kafka", settings=settings, port=free_port(), megabytes=256)
        broker.start()
        try:
            yield broker
        finally:
            broker.kill()


def own_topics(partitions: int = 8, replication: int = 1) -> Topics:
    """Topics that no other test has."""
    return Topics(f"test-{uuid4().hex[:12]}", partitions, replication)


class Brokers:
    """Three nodes, of which one may be missing: each can be killed, frozen and started again."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        quorum = KafkaQuorum({node: free_port() for node in (1, 2, 3)})
        self.nodes = [
            EmbeddedKafka(
                folder / str(node),
                port=free_port(),
                settings={**FAULTS, **settings},
                megabytes=256,
                node=node,
                quorum=quorum,
            )
            for node in quorum.controllers
        ]

    @property
    def address(self) -> str:
        """Where clients reach them, all three."""
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """Start all, and return once they serve."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()

    def kill(self) -> None:
        """End all as a crash would."""
        for node in self.nodes:
            node.kill()


@contextmanager
def three_brokers(**settings: str) -> Iterator[Brokers]:
    """A cluster of one's own. Topics in it should have three copies; two suffice for a write."""
    with open_folder() as folder:
        brokers = Brokers(folder, settings)
        try:
            brokers.start()
            yield brokers
        finally:
            brokers.kill()


def freeze(broker: EmbeddedKafka) -> None:
    """Let it stand still, its connections open."""
    assert broker.pid
    os.kill(broker.pid, signal.SIGSTOP)


def thaw(broker: EmbeddedKafka) -> None:
    """Let it go on."""
    assert broker.pid
    os.kill(broker.pid, signal.SIGCONT)
