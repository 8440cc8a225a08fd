"""The processes under test: real ones, which can be killed one by one and started again."""

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from application.policy import POLICIES
from infra.bootstrap.write_side import load_use_cases
from infra.cli.up import is_ready
from infra.local.servers.process import port_is_free
from infra.policies.tables import register_policies
from tests.chaos.brokers import Brokers, open_brokers
from tests.chaos.work import is_quiet
from tests.support.billing_provider import BilledCall, ProviderProcess
from tests.support.forks import ForkedProgram
from tests.support.limits import PLENTY
from tests.support.servers import PostgresForTests, RedisForTests, copy_migrated, redis_admin
from tests.support.smtp import Ledger, SmtpProcess
from tests.support.stores import KEYS

APIS = PROJECTORS = RELAYS = WORKERS = SEALERS = 2
PATIENCE_SECONDS = 60.0


class Role:
    """One process of ours, with its log in a file."""

    def __init__(self, name: str, log: Path, environment: Mapping[str, str]) -> None:
        self.log = log
        self._name = name
        self._environment = {**os.environ, **environment}
        self._process: ForkedProgram | None = None

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def peak(self) -> float:
        """The most memory that it has taken so far, in MiB (Linux)."""
        assert self._process is not None
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def start(self) -> None:
        """Start it, if it does not run."""
        if not self.alive():
            self._process = ForkedProgram("infra.cli.main", self._name, environment=self._environment, log=self.log)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None:
            self._process.stop(20.0)


@dataclass
class House:
    """Everything that runs. Where there are brokers, read models are fed by them."""

    folder: Path
    database_url: str
    admin_url: str
    redis_url: str
    postgres: PostgresForTests | None = None
    redis: RedisForTests | None = None
    brokers: Brokers | None = None
    apis: list[Role] = field(default_factory=list)
    projectors: list[Role] = field(default_factory=list)
    relays: list[Role] = field(default_factory=list)
    workers: list[Role] = field(default_factory=list)
    sealers: list[Role] = field(default_factory=list)
    mail_server: SmtpProcess | None = None
    provider: ProviderProcess | None = None
    urls: list[str] = field(default_factory=list)
    keep: bool = False
    _next_port: int = field(default_factory=lambda: random.SystemRandom().randrange(20_000, 31_000))

    @property
    def roles(self) -> list[Role]:
        """Our own processes."""
        return self.apis + self.relays + self.projectors + self.workers + self.sealers

    @property
    def ledger(self) -> Path:
        """Where the clients write."""
        return self.folder / "ledger.jsonl"

    def furnish(self) -> None:
        """Start our processes, a mail server and a provider of models, and wait until they serve."""
        load_use_cases()
        register_policies(self.admin_url, POLICIES.values())
        self.mail_server = SmtpProcess(self.folder, self._port())
        self.provider = ProviderProcess(self.folder, self._port())
        counts = [
            ("api", self.apis, APIS),
            ("relay", self.relays, RELAYS if self.brokers else 0),
            ("projector", self.projectors, PROJECTORS),
            ("worker", self.workers, WORKERS),
            ("sealer", self.sealers, SEALERS),
        ]
        for name, roles, count in counts:
            for n in range(1, count + 1):
                port, own = self._port(), self.folder / f"{name}{n}"
                own.mkdir(mode=0o700)
                log = self.folder / f"{name}{n}.log"
                roles.append(Role(name, log, self._environment(port) | {"PALIMPSEST_DATA_DIR": str(own)}))
                if name == "api":
                    self.urls.append(f"http://127.0.0.1:{port}")
        self.heal()

    def heal(self) -> None:
        """Start all that does not run, and wait until all of it serves."""
        for server in (self.postgres, self.redis, self.mail_server, self.provider):
            if server is not None and not server.alive():
                server.start()
        if self.brokers is not None:
            self.brokers.heal()
        for role in self.roles:
            role.start()
        wait_until(lambda: all(map(is_ready, self.urls)), "the APIs serve")

    def wait_for_projectors(self) -> None:
        """Wait until every read model has reached the end of the log."""
        wait_until(self._caught_up, "the read models reach the end of the log")

    def wait_for_workers(self) -> None:
        """Wait until every policy has reached the end of the log, and every job has ended."""
        wait_until(lambda: is_quiet(self.admin_url), "all jobs end")

    def wait_for_sealers(self) -> None:
        """Wait until the whole log is sealed."""
        wait_until(self._sealed, "the whole log is sealed")

    @property
    def mails(self) -> Ledger:
        """What the mail server has accepted."""
        assert self.mail_server is not None
        return self.mail_server.ledger

    @property
    def calls(self) -> list[BilledCall]:
        """What the provider of models has billed."""
        assert self.provider is not None
        return self.provider.ledger.calls()

    def stop_roles(self) -> None:
        """End our processes, then those outside; the other servers go on."""
        for role in reversed(self.roles):
            role.stop()
        for server in (self.mail_server, self.provider):
            if server is not None:
                server.kill()

    def kill_postgres(self) -> None:
        """SIGKILL the server with every process of it, so that none ends in order."""
        assert self.postgres is not None
        backends = self._backends("TRUE")
        self.postgres.kill()
        for pid in backends:
            _kill(pid)

    def kill_backend(self) -> None:
        """SIGKILL one that is appending, if one is: the server ends all others, and recovers by itself."""
        for pid in (self._backends("query LIKE '%append_events%'") or self._backends("TRUE"))[:1]:
            _kill(pid)

    def flush_redis(self) -> None:
        """Throw away all that Redis has."""
        with redis.Redis.from_url(redis_admin(self.redis_url)) as client, suppress(redis.RedisError):
            client.flushall()

    def _port(self) -> int:
        """A free port that the system gives to no outgoing connection while its process is dead."""
        ports = (port for port in range(self._next_port, 32_000) if port_is_free(port))
        port = next(ports)
        self._next_port = port + 1
        return port

    def _backends(self, which: str) -> list[int]:
        query = f"SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND {which}"
        with suppress(psycopg.Error), psycopg.connect(self.admin_url, connect_timeout=2) as connection:
            return [pid for (pid,) in connection.execute(query.encode())]
        return []

    def _caught_up(self) -> bool:
        query = "SELECT min(position) >= (SELECT max(notification_id) FROM stored_events) FROM projections"
        with psycopg.connect(self.admin_url) as connection:
            return connection.execute(query).fetchone() == (True,)

    def _sealed(self) -> bool:
        query = "SELECT (SELECT max(size) FROM log_checkpoints) >= (SELECT max(notification_id) FROM stored_events)"
        with psycopg.connect(self.admin_url) as connection:
            return connection.execute(query).fetchone() == (True,)

    def _environment(self, port: int) -> dict[str, str]:
        given = {
            "DATABASE_URL": self.database_url,
            "database_admin_url": self.admin_url,
            "REDIS_URL": self.redis_url,
            "PALIMPSEST_DATA_DIR": str(self.folder),
            "PALIMPSEST_PORT": str(port),
            "PALIMPSEST_METRICS_PORT": "0",
            "PALIMPSEST_LOG_LEVEL": "WARNING",
            "PALIMPSEST_LOG_FORMAT": "json",
            **KEYS,
            **PLENTY,
        }
        for server in (self.mail_server, self.provider):
            if server is not None:
                given |= server.settings
        if self.brokers is not None:
            given |= {
                "KAFKA_BOOTSTRAP_SERVERS": self.brokers.address,
                "PALIMPSEST_KAFKA_PARTITIONS": str(self.brokers.topics.partitions),
                "PALIMPSEST_KAFKA_REPLICATION": str(self.brokers.topics.replication),
                "PALIMPSEST_FEED": "kafka",
                "PALIMPSEST_POLICY_FEED": "kafka",
            }
        return given


@contextmanager
def open_house(brokers: int = 0) -> Iterator[House]:
    """A house with servers of its own, `fsync` on, and so many brokers.

    Its folder stays if the block raises, or says `keep`.
    """
    folder = Path(tempfile.mkdtemp(prefix="palimpsest-chaos-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        copy_migrated(folder / "postgres")
        postgres, cache = PostgresForTests(folder / "postgres"), RedisForTests(folder / "redis")
        for server in (postgres, cache):
            server.start()
            stack.callback(server.stop)
        house = House(folder, postgres.app_url, postgres.admin_url, cache.url, postgres, cache)
        if brokers:
            house.brokers = open_brokers(folder, brokers, stack)
        stack.callback(house.stop_roles)
        house.furnish()
        yield house
    if not house.keep:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(condition: Callable[[], bool], words: str) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: it took too long, which says that something does not recover.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:.0f} s until {words}")
        time.sleep(0.05)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
