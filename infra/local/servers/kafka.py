"""Kafka without an installation: a broker and controller in one process (KRaft), its data in a folder."""

import shutil
import signal
import subprocess
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from infra.local.servers import kafka_jars
from infra.local.servers.process import (
    ServerError,
    command_of,
    end,
    end_orphan,
    free_port,
    is_alive,
    port_is_free,
    recall,
    remember,
    spawn,
    write_private,
)

USUAL_PORT = 9092
STOPPING = ((signal.SIGTERM, 20.0),)
STARTED = "Kafka Server started"

JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
"""A broker that is quickly there and small; a laptop's load is little to it."""
LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSX",
)


def new_cluster_id() -> str:
    """A name for a cluster, as Kafka wants it: 22 characters. A leading hyphen would be read as an option."""
    while (name := urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return name


@dataclass(frozen=True, slots=True)
class KafkaQuorum:
    """The nodes that make a cluster together: the ports of their controllers, by node."""

    controllers: Mapping[int, int]
    cluster_id: str = field(default_factory=new_cluster_id)


class EmbeddedKafka:
    """One broker in one folder, on the loopback interface, without a password: for one's own machine.

    The ports, unless given, are free ones, kept while they stay free from one program to the next; `start()` after a
    crash or stop keeps them in any case. A broker that was killed recovers its data by itself. One program at a time
    may use a folder; the caller sees to that. A cluster's nodes share a `quorum`, and are all launched before one of
    them is waited for.
    """

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
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder.absolute()
        self.node = node
        self._given_port = port
        self._settings = dict(settings or {})
        self._megabytes = megabytes
        self._quorum = quorum
        self._process: subprocess.Popen[bytes] | None = None
        self._state = recall(self.folder / "kafka.json")
        self._ran = False
        self._log_began = 0

    @property
    def address(self) -> str:
        """Where clients reach it, host and port."""
        return f"127.0.0.1:{self._state['port']}"

    @property
    def log(self) -> Path:
        """Where the broker writes what it has to say."""
        return self.folder / "kafka.log"

    @property
    def data(self) -> Path:
        """Where the broker keeps its records."""
        return self.folder / "data"

    @property
    def pid(self) -> int | None:
        """The process id of the running broker."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def alive(self) -> bool:
        """Whether the broker that we started still runs."""
        return self.pid is not None

    def start(self) -> None:
        """Start, and return once it serves. Raises `ServerError` with words for the user when it cannot."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start, and do not wait until it serves. Raises `ServerError` with words for the user when it cannot."""
        java, jars = kafka_jars.java(), kafka_jars.jars()
        self._end_orphan()
        self._choose()
        if not self.data.exists():
            self._format(java, jars)
        file = self._configure(self.data)
        self._log_began = self.log.stat().st_size if self.log.exists() else 0
        heap = (f"-Xms{self._megabytes // 2}m", f"-Xmx{self._megabytes}m")
        command: list[str | Path] = [java, *heap, *JVM, *LOGGING, "-cp", f"{jars}/*", "kafka.Kafka", file]
        self._process = spawn(command, log=self.log)
        write_private(self.folder / "kafka.pid", str(self._process.pid))
        self._ran = True

    def wait(self, patience: float = 120.0) -> None:
        """Return once the launched broker serves. Raises `ServerError` when it ends instead, or takes too long."""
        deadline = time.monotonic() + patience
        while self.alive() and time.monotonic() < deadline:
            if STARTED in self._said():
                return
            time.sleep(0.05)
        self.kill()
        raise ServerError(f"Kafka did not start. It said:\n{self._last_words()}\nMore is in {self.log}.")

    def stop(self) -> None:
        """End the broker in order; its records are on disk."""
        if self._process:
            end(self._process, *STOPPING)
            self._process = None

    def kill(self) -> None:
        """End the broker as a crash would, for tests of what follows."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _choose(self) -> None:
        """Settle the ports and the cluster's name, and remember them."""
        if self._given_port and not port_is_free(self._given_port):
            raise ServerError(f"Kafka's port {self._given_port} is taken. Give another.")
        port, controller = self._state.get("port"), self._state.get("controller_port")
        if not self._ran:
            port, controller = free_port(port or USUAL_PORT), free_port(controller)
        self._state = {
            "port": self._given_port or port,
            "controller_port": self._quorum.controllers[self.node] if self._quorum else controller,
            "cluster_id": self._state.get("cluster_id")
            or (self._quorum.cluster_id if self._quorum else new_cluster_id()),
        }
        remember(self.folder / "kafka.json", self._state)

    def _configure(self, data: Path) -> Path:
        """Write the broker's settings. Answers where."""
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
            # A killed broker is let in again only once its session is over.
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 750,
            **self._settings,
        }
        path = self.folder / "server.properties"
        write_private(path, "".join(f"{name}={value}\n" for name, value in settings.items()))
        return path

    def _format(self, java: str, jars: Path) -> None:
        """Make the data folder beside its place and move it there when it is whole."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        file = self._configure(draft)
        options = ["format", "--cluster-id", self._state["cluster_id"], "--config", file]
        tool: list[str | Path] = [
            java,
            "-Xmx128m",
            *JVM,
            *LOGGING,
            "-cp",
            f"{jars}/*",
            "kafka.tools.StorageTool",
            *options,
        ]
        if spawn(tool, log=self.log).wait() != 0:
            raise ServerError(f"Kafka could not make its data folder. It said:\n{self._last_words()}")
        draft.rename(self.data)

    def _end_orphan(self) -> None:
        """End a broker that outlived the program that started it."""
        note = self.folder / "kafka.pid"
        with suppress(FileNotFoundError, ValueError):
            pid = int(note.read_text())
            if is_alive(pid) and str(self.folder / "server.properties") in command_of(pid):
                end_orphan(pid, *STOPPING)
            note.unlink()

    def _said(self) -> str:
        """What this start has written."""
        with suppress(OSError), self.log.open(errors="replace") as file:
            moved_aside = self.log.stat().st_size < self._log_began
            file.seek(0 if moved_aside else self._log_began)
            return file.read()
        return ""

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = self.log.read_text(errors="replace").splitlines()
            words = [line for line in lines if line and not line.startswith(("\t", " "))]  # without traces of the stack
            return "\n".join(words[-5:])
        return "(nothing)"
