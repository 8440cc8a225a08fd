"""Real brokers for tests, which can be killed, frozen and started again."""

import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from infra.kafka.client.topics import Topics
from infra.local.servers import kafka_jars
from infra.local.servers.kafka import JVM, LOGGING, EmbeddedKafka, KafkaQuorum, new_cluster_id
from infra.local.servers.process import free_port, free_ports
from tests.support.made_once import made_once
from tests.support.servers import PROJECT, open_folder

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


class KafkaForTests(EmbeddedKafka):
    """A broker that starts in half the time: its data folder is a copy, and its classes come from an archive."""

    def _options(self) -> Sequence[str]:
        return (*super()._options(), f"-XX:SharedArchiveFile={_made() / 'classes.jsa'}")

    def _format(self, java: str, jars: Path) -> None:
        draft = self.folder / "data.new"
        shutil.copytree(_made() / "data", draft)
        names = {
            "version": 1,
            "cluster.id": self._state["cluster_id"],
            "node.id": self.node,
            "directory.id": new_cluster_id(),
        }
        (draft / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in names.items()))
        draft.rename(self.data)


@cache
def _made() -> Path:
    """The folder with a new data folder of a broker and an archive of its classes, which are made once per checkout.

    Another Java does without the archive.
    """
    home = PROJECT / ".venv" / "kafka"
    stamp = "\n".join([kafka_jars.jars().name, *JVM, *LOGGING])
    made_once(home, sha256(stamp.encode()).hexdigest(), partial(_make, home / "made"))
    return home / "made"


def _make(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with open_folder() as draft:
        broker = _Model(draft / "kafka", folder)
        broker.start()
        broker.stop()


class _Model(EmbeddedKafka):
    """A broker that leaves its data folder, as it is before the first start, and an archive of its classes."""

    shutdown = ((signal.SIGTERM, 120.0),)

    def __init__(self, folder: Path, to: Path) -> None:
        super().__init__(folder, port=free_port(), megabytes=256)
        self._to = to

    def _options(self) -> Sequence[str]:
        return (*super()._options(), f"-XX:ArchiveClassesAtExit={self._to / 'classes.jsa'}")

    def _format(self, java: str, jars: Path) -> None:
        super()._format(java, jars)
        shutil.copytree(self.data, self._to / "data")


@contextmanager
def own_kafka(folder: Path | None = None, megabytes: int = 256, /, **settings: str) -> Iterator[EmbeddedKafka]:
    """A broker for one test, to kill and start again. It keeps its ports. `megabytes`: the limit of its heap."""
    with open_folder() as parent:
        broker = KafkaForTests(
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
            KafkaForTests(
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
