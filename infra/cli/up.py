"""`palimpsest up`: starts everything on one machine, with one command and nothing installed."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection, HTTPException
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

import psycopg

from infra.bootstrap.mail import mail_folder
from infra.bootstrap.policies import update_schema
from infra.cli import demo_account
from infra.cli.demo_account import DemoAccount, walk
from infra.cli.new_mails import NewMails
from infra.cli.repeated_erasures import repeat_erasures
from infra.cli.terminal import Terminal
from infra.local.servers.kafka import EmbeddedKafka
from infra.local.servers.postgres import EmbeddedPostgres
from infra.local.servers.process import ServerError, free_port, is_own_address, log_tail, port_is_free
from infra.local.servers.redis import EmbeddedRedis
from infra.local.supervisor import ProcessTree, RoleProcess, only_one, signals_interrupt
from infra.postgres.connect import connect
from infra.postgres.migrate import reason
from infra.private_file import write_private
from infra.sealing import key_file
from infra.sealing.key_ring import KeyKind
from infra.sealing.key_source import KeySource
from infra.settings.database import PARTS
from infra.settings.display import misspelt
from infra.settings.http import HttpSettings, url_on_this_machine
from infra.settings.kafka import KafkaSettings
from infra.settings.load import (
    DATA_DIR,
    DATABASE_ADMIN_URL,
    DATABASE_FOLDER,
    DATABASE_URL,
    SERVERS_FILE,
    database_file,
    load,
    load_for_migration,
)
from infra.settings.metrics import MetricsSettings
from infra.settings.model import Settings
from infra.settings.redis import RedisSettings
from infra.telemetry.logs import configure_logging

API = "api"
SEALER = "sealer"
ROLES = (API, "projector", "worker", SEALER)
RELAY = "relay"
KAFKA_FOLDER = "kafka"
LOGS_FOLDER = "logs"
API_START_TIMEOUT_SECONDS = 90.0
MAX_API_CRASHES = 2
"""More crashes before the API is ready mean that it cannot start."""

WRITABLE_BY_OTHERS = 0o022
MAX_METRICS_PORTS_TRIED = 100

REDIS_URL = RedisSettings.variable("url")
KAFKA_SERVERS = KafkaSettings.variable("bootstrap_servers")
HOST, PORT = map(HttpSettings.variable, ("host", "port"))
METRICS_HOST, METRICS_PORT = map(MetricsSettings.variable, ("host", "port"))
NOT_STARTED_YET = "postgresql://127.0.0.1/not-started-yet"
"""Stands for the embedded database while the other settings are checked."""

T = TypeVar("T")
console = Terminal()


def up(folder: Path, *, host: str | None = None, port: int | None = None, kafka: bool = False) -> None:
    """Start everything and keep it running until Ctrl-C or SIGTERM; then stop it in order. The data stays.

    Events are published if `kafka` is set or KAFKA_BOOTSTRAP_SERVERS names brokers.

    Raises:
        ServerError: something cannot start; the message says why and what to do.
        SettingsError: some settings are missing or wrong.
    """
    began = time.monotonic()
    _make_folder(folder)
    broker = EmbeddedKafka(folder / KAFKA_FOLDER) if kafka and not os.environ.get(KAFKA_SERVERS) else None
    broker_lock = only_one(broker.folder) if broker else nullcontext()
    with only_one(folder), broker_lock, signals_interrupt(), _stopping_at_the_end(folder) as tree:
        settings = _start_servers(tree, folder, {HOST: host, PORT: port}, broker)
        _step("Schema", lambda: update_schema(load_for_migration(folder).owner.url.get_secret_value()))
        if repeated := repeat_erasures(settings):
            console.print(f"  Erasures    {repeated} streams that a restored backup had brought back are erased again")
        login = _start_roles(tree, settings)
        _greet(settings, login, time.monotonic() - began)
        tree.watch(NewMails(mail_folder(settings.installation)).show)


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
    """Create the data folder, private to its owner. Root's lets the database's user pass through."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        (folder / ".gitignore").write_text("*\n")
        (folder / LOGS_FOLDER).mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise ServerError(
            f"Cannot write the data folder {folder} ({error.strerror}). Choose another: make run DATA_DIR=..."
        ) from None
    if folder.stat().st_mode & WRITABLE_BY_OTHERS:
        raise ServerError(
            f"Other users can write to the data folder {folder}. Forbid it: chmod go-w {quote(str(folder))}"
        )


def _start_servers(
    tree: ProcessTree, folder: Path, overrides: Mapping[str, Any], broker: EmbeddedKafka | None
) -> Settings:
    """Start the servers that the environment does not name, and write all addresses for other commands."""
    postgres = None if os.environ.get(DATABASE_URL) else EmbeddedPostgres(folder / "postgres")
    redis = EmbeddedRedis(folder / "redis") if not os.environ.get(REDIS_URL) and EmbeddedRedis.program() else None
    checked = _check(folder, overrides, postgres)
    addresses = {HOST: checked.http.host, PORT: str(checked.http.port)}
    shutil.rmtree(folder / DATABASE_FOLDER, ignore_errors=True)
    if postgres:
        _start_postgres(tree, folder, postgres)
    if redis:
        _step("Redis", lambda: tree.start("redis", redis))
        addresses[REDIS_URL] = redis.url
    elif not os.environ.get(REDIS_URL):
        console.print("  Redis       not found (there is no Redis or Valkey): reads go to PostgreSQL")
    if broker:
        _step("Kafka", lambda: tree.start("kafka", broker))
        addresses[KAFKA_SERVERS] = broker.address
    _write_env(folder / SERVERS_FILE, addresses)
    settings = load(folder, overrides)
    configure_logging(settings.logs.level, settings.logs.format, role="up")
    return settings


def _start_postgres(tree: ProcessTree, folder: Path, postgres: EmbeddedPostgres) -> None:
    """Start the database. Each part's address goes to a file of its own: no process reads the password of another."""
    _step("PostgreSQL", lambda: tree.start("postgres", postgres))
    if folder not in postgres.folder.parents:
        console.print(f"              (its data is in {postgres.folder}: '{postgres.account.name}' cannot enter yours)")
    (folder / DATABASE_FOLDER).mkdir(mode=0o700)
    for part in PARTS:
        _write_env(folder / database_file(part), {DATABASE_URL: postgres.part_url(part)})


def _write_env(file: Path, values: Mapping[str, str]) -> None:
    write_private(file, "".join(f"{name}='{value}'\n" for name, value in values.items()))


def _check(folder: Path, overrides: Mapping[str, Any], postgres: EmbeddedPostgres | None) -> Settings:
    """Find errors before anything runs, and make the keys. The addresses of the last start are ignored.

    The settings are checked first: only their errors are certain to contain no secret.
    """
    for sentence in misspelt():
        console.print(sentence, style="yellow")
    embedded = {DATABASE_URL: NOT_STARTED_YET} if postgres else {}
    settings = load(folder, {**overrides, **embedded}, files=[])
    _require_own_addresses(settings)
    data_exists = (
        postgres.has_data if postgres else _has_events(load_for_migration(folder).owner.url.get_secret_value())
    )
    key_file.ensure(settings.keys, data_exists=data_exists)
    return settings


def _has_events(url: str) -> bool:
    """Whether an external database already holds events."""
    try:
        with connect(url) as connection:
            if connection.execute("SELECT to_regclass('stored_events')").fetchone() == (None,):
                return False
            return connection.execute("SELECT 1 FROM stored_events LIMIT 1").fetchone() is not None
    except psycopg.Error as error:
        raise ServerError(
            f"The database at DATABASE_URL cannot be used: {reason(error)}. Start PostgreSQL, or correct DATABASE_URL."
        ) from None


def _require_own_addresses(settings: Settings) -> None:
    hosts = {HOST: settings.http.host} | ({METRICS_HOST: settings.metrics.host} if settings.metrics.port else {})
    for variable, host in hosts.items():
        if not is_own_address(host):
            raise ServerError(f"{variable}: '{host}' is not an address of this machine.")
    if not port_is_free(settings.http.port, settings.http.host):
        raise ServerError(
            f"Port {settings.http.port} is taken by another program. "
            f"Choose another, for instance: make run PORT={free_port(settings.http.port + 1)}"
        )


def _start_roles(tree: ProcessTree, settings: Settings) -> DemoAccount | None:
    """Start our processes and wait for the API. An account to try things with; None on an external database."""
    roles = _roles(settings)
    tree.start(API, roles[API])
    tree.start("projector", roles["projector"])
    login = None if os.environ.get(DATABASE_URL) else demo_account.ensure(settings)
    _step("API", lambda: _wait_until_ready(tree, settings, roles[API].log))
    for name in ("worker", SEALER, RELAY):
        if name in roles:
            tree.start(name, roles[name])
    return login


def _roles(settings: Settings) -> dict[str, RoleProcess]:
    http = settings.http
    common = {DATA_DIR: str(settings.installation.data_dir), HOST: http.host, PORT: str(http.port)}
    common[DATABASE_ADMIN_URL] = ""
    names = role_names(settings)
    ports = zip(names, metrics_ports(settings, len(names)), strict=True)
    logs = settings.installation.data_dir / LOGS_FOLDER
    return {role: RoleProcess(role, {**common, METRICS_PORT: str(port)}, logs) for role, port in ports}


def role_names(settings: Settings) -> list[str]:
    """Return the roles to start. A sealer without its key would crash for ever: it is left out, and a line says so.

    Raises:
        SettingsError: the key document is wrong.
    """
    names = [*ROLES, RELAY] if settings.kafka.bootstrap_servers else [*ROLES]
    source = KeySource(settings.keys)
    if not source.read().of(KeyKind.LOG):
        names.remove(SEALER)
        state = f"{source.place} has no log key{', and cannot be changed' if source.is_file else ''}"
        console.print(f"  Sealer      not started: {state}. Add the one that `palimpsest new-keys` prints.")
    return names


def metrics_ports(settings: Settings, count: int = len(ROLES)) -> list[int]:
    """A metrics port for each of `count` processes: free ones, from the configured one upwards; all 0 if that is 0.

    Raises:
        ServerError: too few ports near the configured one are free.
    """
    first = settings.metrics.port
    if first == 0:
        return [0] * count
    candidates = range(first, min(first + MAX_METRICS_PORTS_TRIED, 65536))
    free = (port for port in candidates if port != settings.http.port and port_is_free(port, settings.metrics.host))
    ports = list(islice(free, count))
    if len(ports) < count:
        raise ServerError(
            f"Too few ports for metrics are free from {first} on. Choose another with {METRICS_PORT}, or 0 for none."
        )
    return ports


def _wait_until_ready(tree: ProcessTree, settings: Settings, log: Path) -> None:
    deadline = time.monotonic() + API_START_TIMEOUT_SECONDS
    while not is_ready(address(settings)):
        if tree.crashes(API) > MAX_API_CRASHES or time.monotonic() > deadline:
            raise ServerError(f"The API does not start. Its last log lines:\n{log_tail(log)}\nThe whole log is {log}.")
        tree.restart_crashed()
        time.sleep(0.05)


def address(settings: Settings) -> str:
    """The API's address as seen from this machine."""
    return url_on_this_machine(settings.http.host, settings.http.port)


def is_ready(url: str) -> bool:
    """Whether an API at this address says that it is ready."""
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


def _greet(settings: Settings, login: DemoAccount | None, seconds: float) -> None:
    url = address(settings)
    console.print("\nPalimpsest is ready", style="bold green", end="")
    console.print(f" after {seconds:.1f} s\n")
    console.print(f"  API    {url}/v1\n  Docs   {url}/v1/docs\n  Data   {settings.installation.data_dir}")
    console.print(f"  Logs   {settings.installation.data_dir / LOGS_FOLDER}")
    if settings.mail.url is None:
        console.print(f"  Mail   {mail_folder(settings.installation)} (no mail server is set; links are shown here)")
    if settings.kafka.bootstrap_servers:
        console.print(f"  Kafka  {settings.kafka.bootstrap_servers}")
    if login:
        console.print(f"  Login  {login.email}  password  {login.password}")
    if settings.mail.url is None:
        console.print("\nRegister and write a document, from another terminal:\n")
        console.print(walk(url, mail_folder(settings.installation)))
    console.print("\nCtrl-C stops everything; your data stays.\n")
