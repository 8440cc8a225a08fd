"""Embedded Kafka: a broker and controller in one process (KRaft), with its data in a folder."""

import shutil
import signal
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from infra.local.servers import kafka_jars
from infra.local.servers.embedded import EmbeddedServer
from infra.local.servers.process import spawn
from infra.private_file import write_private

DEFAULT_PORT = 9092
START_TIMEOUT_SECONDS = 120.0
STARTED = "Kafka Server started"
"""The log message of a broker that is ready."""

JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
"""Options for a quick start and little memory; a developer's load is small."""

LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
)


def new_cluster_id() -> str:
    """A cluster id in Kafka's form: 22 characters. A leading hyphen would be parsed as an option."""
    while (name := urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return name


@dataclass(frozen=True, slots=True)
class KafkaQuorum:
    """The nodes of one cluster: each node's controller port."""

    controllers: Mapping[int, int]
    cluster_id: str = field(default_factory=new_cluster_id)


class EmbeddedKafka(EmbeddedServer):
    """One broker without a password, on the loopback interface: for a machine that is not shared with other users.

    A broker that was killed recovers its data by itself. The nodes of a cluster share a `quorum`: launch all of them
    before you wait for one. `megabytes` limits the heap.
    """

    name = "Kafka"
    program_name = "kafka"
    shutdown = ((signal.SIGTERM, 20.0),)

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        megabytes: int = 512,
        node: int = 1,
        quorum: KafkaQuorum | None = None,
    ) -> None:
        super().__init__(folder, port=port)
        self.node = node
        self._settings = dict(settings or {})
        self._megabytes = megabytes
        self._quorum = quorum
        self._log_offset = 0

    @property
    def address(self) -> str:
        """Host and port for clients."""
        return f"127.0.0.1:{self._state['port']}"

    @property
    def data(self) -> Path:
        """The folder of the broker's records."""
        return self.folder / "data"

    def start(self) -> None:
        """Start the broker and return when it serves.

        Raises:
            ServerError: it cannot start; the message says why and what to do.
        """
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the broker without waiting for it.

        Raises:
            ServerError: it cannot start; the message says why and what to do.
        """
        java, jars = kafka_jars.java(), kafka_jars.jars()
        self._end_orphan()
        self._choose()
        if not self.data.exists():
            self._format(java, jars)
        file = self._configure(self.data)
        self._log_offset = self.log.stat().st_size if self.log.exists() else 0
        heap = (f"-Xms{self._megabytes // 2}m", f"-Xmx{self._megabytes}m")
        command: list[str | Path] = [java, *heap, *self._options(), *LOGGING, "-cp", f"{jars}/*", "kafka.Kafka", file]
        self._process = spawn(command, log=self.log)
        write_private(self._pid_file, str(self._process.pid))
        self._has_started = True

    def wait(self, timeout: float = START_TIMEOUT_SECONDS) -> None:
        """Return when the launched broker serves.

        Raises:
            ServerError: it exited instead, or took more than `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while self.alive() and time.monotonic() < deadline:
            if STARTED in self._output_of_this_start():
                return
            time.sleep(0.05)
        self.kill()
        raise self._failure("Kafka did not start")

    @property
    def _pid_file(self) -> Path:
        return self.folder / "kafka.pid"

    @property
    def _properties_file(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _command_mark(self) -> str:
        return str(self._properties_file)

    def _options(self) -> Sequence[str]:
        """The options of the Java machine that runs the broker."""
        return JVM

    def _choose(self) -> None:
        """Choose the ports and the cluster id, and save them."""
        new_id = self._quorum.cluster_id if self._quorum else new_cluster_id()
        port = self._choose_port(DEFAULT_PORT)
        if self._quorum:
            controller = self._quorum.controllers[self.node]
        else:
            controller = self._kept_port("controller_port", other_than=port)
        self._save_state(
            port=port,
            controller_port=controller,
            cluster_id=self._state.get("cluster_id") or new_id,
        )

    def _configure(self, data: Path) -> Path:
        """Write the broker's settings; returns the file."""
        address, controller = self.address, self._state["controller_port"]
        controllers = self._quorum.controllers if self._quorum else {self.node: controller}
        copies = min(3, len(controllers))
        settings = {
            "process.roles": "broker,controller",
            "node.id": self.node,
            "listeners": f"PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{address}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items()),
            "log.dirs": data,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": max(1, copies - 1),
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            # A killed broker can join again only when its session has expired.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 750,
            **self._settings,
        }
        write_private(self._properties_file, "".join(f"{name}={value}\n" for name, value in settings.items()))
        return self._properties_file

    def _format(self, java: str, jars: Path) -> None:
        """Create the data folder under another name and rename it when it is complete."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        file = self._configure(draft)
        tool: list[str | Path] = [java, "-Xmx128m", *JVM, *LOGGING, "-cp", f"{jars}/*", "kafka.tools.StorageTool"]
        options = ["format", "--cluster-id", self._state["cluster_id"], "--config", file]
        if spawn([*tool, *options], log=self.log).wait() != 0:
            raise self._failure("Kafka could not create its data folder")
        draft.rename(self.data)

    def _output_of_this_start(self) -> str:
        """The log since the last `launch()`."""
        with suppress(OSError), self.log.open(errors="replace") as file:
            rotated = self.log.stat().st_size < self._log_offset
            file.seek(0 if rotated else self._log_offset)
            return file.read()
        return ""

    def _useful(self, lines: list[str]) -> list[str]:
        """The log without stack traces."""
        return [line for line in lines if line and not line.startswith(("\t", " "))]
