"""`palimpsest up`: everything on one machine, with one command and nothing installed."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection, HTTPException
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from rich.console import Console

from infra.cli import demo_account
from infra.cli.demo_account import DemoAccount
from infra.local import secrets
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.servers.postgres import EmbeddedPostgres
from infra.local.servers.process import ServerError, free_port, is_own_address, port_is_free, write_private
from infra.local.servers.redis import EmbeddedRedis
from infra.local.supervisor import ProcessTree, RoleProcess, only_one, signals_interrupt
from infra.postgres.connect import connect
from infra.postgres.migrate import migrate, reason
from infra.settings.model import SECRETS_FILE, SERVERS_FILE, Settings, load, misspelt, variable
from infra.telemetry import telemetry

ROLES = ("api", "projector", "worker")
PUBLISHING = "relay"
KAFKA_FOLDER = "kafka"
PATIENCE = 90.0
"""Seconds until the API must be ready."""

METRICS_PORTS_TRIED = 100

DATABASE_URL, DATABASE_ADMIN_URL, REDIS_URL = map(variable, ("database_url", "database_admin_url", "redis_url"))
KAFKA_SERVERS = variable("kafka_bootstrap_servers")
STARTING = "postgresql://127.0.0.1/not-started-yet"

T = TypeVar("T")
console = Console(soft_wrap=True, highlight=False)


def up(folder: Path, *, host: str | None = None, port: int | None = None, kafka: bool = False) -> None:
    """Start everything and keep it running until Ctrl-C or SIGTERM; then stop it in order. Data stays in the folder.

    With `kafka`, or where brokers are named, what happens is published.

    Raises `ServerError` or `SettingsError` with words for the user when something cannot start.
    """
    began = time.monotonic()
    _make_folder(folder)
    broker = EmbeddedKafka(folder / KAFKA_FOLDER) if kafka and not os.environ.get(KAFKA_SERVERS) else None
    alone_with_broker = only_one(broker.folder) if broker else nullcontext()
    with only_one(folder), alone_with_broker, signals_interrupt(), _stopping_at_the_end(folder) as tree:
        settings = _start_servers(tree, folder, {"host": host, "port": port}, broker)
        _step("Schema", lambda: migrate(settings.database_admin_url.get_secret_value()))
        roles = _roles(settings)
        tree.start("api", roles["api"])
        tree.start("projector", roles["projector"])
        login = _demo_login(settings)
        _step("API", lambda: _until_ready(tree, settings))
        tree.start("worker", roles["worker"])
        if PUBLISHING in roles:
            tree.start(PUBLISHING, roles[PUBLISHING])
        _greet(settings, login, time.monotonic() - began)
        tree.watch()


@contextmanager
def _stopping_at_the_end(folder: Path) -> Iterator[ProcessTree]:
    tree = ProcessTree()
    try:
        yield tree
    except KeyboardInterrupt:
        console.print("\nStopping...")
    finally:
        tree.stop()
    console.print(f"Stopped. Your data is in {folder}.")


def _make_folder(folder: Path) -> None:
    """Private, except that root lets the database's user pass through."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise ServerError(
            f"The data folder {folder} cannot be written ({error.strerror}). Choose another: make run DATA_DIR=..."
        ) from None


def _start_servers(
    tree: ProcessTree, folder: Path, overrides: Mapping[str, Any], broker: EmbeddedKafka | None
) -> Settings:
    """Start the servers that the environment does not name, and note all addresses for whoever uses this folder."""
    postgres = None if os.environ.get(DATABASE_URL) else EmbeddedPostgres(folder / "postgres")
    redis = EmbeddedRedis(folder / "redis") if not os.environ.get(REDIS_URL) and EmbeddedRedis.program() else None
    checked = _check(folder, overrides, postgres)
    addresses = {variable(name): str(getattr(checked, name)) for name in ("host", "port")}
    if postgres:
        _step("PostgreSQL", lambda: tree.start("postgres", postgres))
        addresses |= {DATABASE_URL: postgres.app_url, DATABASE_ADMIN_URL: postgres.admin_url}
        if folder not in postgres.folder.parents:
            console.print(
                f"              (its data is in {postgres.folder}: '{postgres.account.name}' cannot enter yours)"
            )
    if redis:
        _step("EmbeddedRedis", lambda: tree.start("redis", redis))
        addresses[REDIS_URL] = redis.url
    elif not os.environ.get(REDIS_URL):
        console.print("  Redis       none (there is no redis-server): reads go to PostgreSQL")
    if broker:
        _step("EmbeddedKafka", lambda: tree.start("kafka", broker))
        addresses[KAFKA_SERVERS] = broker.address
    write_private(folder / SERVERS_FILE, secrets.as_lines(addresses))
    settings = load(folder, **overrides)
    telemetry.configure_logging(settings.log_level, settings.log_format, role="up")
    return settings


def _check(folder: Path, overrides: Mapping[str, Any], postgres: EmbeddedPostgres | None) -> Settings:
    """Find what is wrong while nothing runs yet, and make the keys. What the last start noted counts no more.

    The settings come first: only their errors are sure to hold no secret.
    """
    for sentence in misspelt():
        console.print(sentence, style="yellow", markup=False)
    made = {**secrets.missing(folder), **({"database_url": STARTING} if postgres else {})}
    settings = load(folder, files=[SECRETS_FILE], **overrides, **made)
    _need_addresses(settings)
    data_exists = postgres.has_data if postgres else _has_events(settings.database_url.get_secret_value())
    secrets.ensure(folder, data_exists=data_exists)
    return settings


def _has_events(url: str) -> bool:
    """Whether a database that is not ours holds events already."""
    try:
        with connect(url) as connection:
            if connection.execute("SELECT to_regclass('stored_events')").fetchone() == (None,):
                return False
            return connection.execute("SELECT 1 FROM stored_events LIMIT 1").fetchone() is not None
    except psycopg.Error as error:
        raise ServerError(
            f"The database at DATABASE_URL cannot be used: {reason(error)}. Start PostgreSQL, or correct DATABASE_URL."
        ) from None


def _need_addresses(settings: Settings) -> None:
    hosts = ["host", "metrics_host"] if settings.metrics_port else ["host"]
    for name in hosts:
        if not is_own_address(getattr(settings, name)):
            raise ServerError(f"{variable(name)}: '{getattr(settings, name)}' is not an address of this machine.")
    if not port_is_free(settings.port, settings.host):
        raise ServerError(
            f"Port {settings.port} is taken by another program. "
            f"Choose another, for instance: make run PORT={free_port(settings.port + 1)}"
        )


def _roles(settings: Settings) -> dict[str, RoleProcess]:
    given = {name: str(getattr(settings, name)) for name in ("data_dir", "host", "port")}
    common = {variable(name): value for name, value in given.items()}
    names = [*ROLES, PUBLISHING] if settings.kafka_bootstrap_servers else ROLES
    ports = zip(names, metrics_ports(settings, len(names)), strict=True)
    return {role: RoleProcess(role, {**common, variable("metrics_port"): str(port)}) for role, port in ports}


def metrics_ports(settings: Settings, count: int = len(ROLES)) -> list[int]:
    """A port for each of `count` roles: free ones from the set one upwards; 0, for none, where none is set.

    Raises `ServerError` when there are too few near the set one.
    """
    if settings.metrics_port == 0:
        return [0] * count
    candidates = range(settings.metrics_port, min(settings.metrics_port + METRICS_PORTS_TRIED, 65536))
    free = (port for port in candidates if port != settings.port and port_is_free(port, settings.metrics_host))
    ports = list(islice(free, count))
    if len(ports) < count:
        raise ServerError(
            f"Too few ports for metrics are free from {settings.metrics_port} on. "
            "Choose another with PALIMPSEST_METRICS_PORT, or 0 for none."
        )
    return ports


def _until_ready(tree: ProcessTree, settings: Settings) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_ready(address(settings)):
        if tree.deaths("api") > 2 or time.monotonic() > deadline:
            raise ServerError("The API does not start. The lines above say why.")
        tree.look()
        time.sleep(0.05)


def address(settings: Settings) -> str:
    """The API's address as seen from this machine."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    return f"http://{host}:{settings.port}"


def is_ready(url: str) -> bool:
    """Whether an API answers there and says it is ready."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _step(name: str, work: Callable[[], T]) -> T:
    began = time.monotonic()
    result = work()
    console.print(f"  {name:<11} ready in {time.monotonic() - began:.1f} s")
    return result


def _demo_login(settings: Settings) -> DemoAccount | None:
    """An account to try things with; none on a database that is not ours."""
    return None if os.environ.get(DATABASE_URL) else demo_account.ensure(settings)


def _greet(settings: Settings, login: DemoAccount | None, seconds: float) -> None:
    url = address(settings)
    console.print(f"\n[bold green]Palimpsest is ready[/] after {seconds:.1f} s\n")
    console.print(f"  API    {url}/v1\n  Docs   {url}/v1/docs\n  Data   {settings.data_dir}")
    if settings.kafka_bootstrap_servers:
        console.print(f"  Kafka  {settings.kafka_bootstrap_servers}")
    if login:
        console.print(f"  Login  {login.email}  password  {login.password}\n")
        console.print("Try it from another terminal:\n")
        console.print(walk(url, login), markup=False)
    console.print("\nCtrl-C stops everything; your data stays.\n")


def walk(url: str, login: DemoAccount) -> str:
    """Shell commands that log in, write a document, and list documents with that one among them."""
    credentials = f'{{"email": "{login.email}", "password": "{login.password}"}}'
    return f"""\
API={url}/v1
TOKEN=$(curl -s $API/auth/login -H 'Content-Type: application/json' -d '{credentials}' \\
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])')
WRITTEN=$(curl -s $API/documents -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -H "Idempotency-Key: $(date +%s%N)" -d '{{"title": "Hello", "content": "A first draft."}}' \\
  -o /dev/stderr -w '%header{{consistency-token}}')
curl -s $API/documents -H "Authorization: Bearer $TOKEN" -H "Consistency-Token: $WRITTEN" """.rstrip()
