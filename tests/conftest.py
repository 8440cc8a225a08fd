"""Fixtures for all tests: servers are real and start only when a test asks for them."""

import gc
import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
from hypothesis import Phase, settings
from kafka.net.inet import KafkaNetSocket
from xdist.remote import Producer

from infra.kafka.client.topics import Topics
from infra.local.servers.kafka import EmbeddedKafka
from infra.telemetry.http_observer import observe_http
from tests.support import kafka as brokers
from tests.support import servers
from tests.support.distribution import FilesInGroups
from tests.support.servers import Cluster, Database, PostgresForTests, RedisForTests, redis_admin

# A busy machine is slow, not wrong.
settings.register_profile("palimpsest", deadline=None)
settings.load_profile("palimpsest")
settings.register_profile("fast", settings.get_profile("palimpsest"), max_examples=20)
# A mutant is judged the same each time, and its failures are not read.
settings.register_profile(
    "mutants", deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate]
)


class KafkaPythonSocket(socket.socket):
    """A socket of kafka-python, to tell it from ours in warnings.

    A client that closes while it connects, or with bytes left to send, leaves its socket to the garbage collector.
    """


def _kafka_python_socket(
    _: KafkaNetSocket, family: int = socket.AF_UNSPEC, type: int = socket.SOCK_STREAM, proto: int = socket.IPPROTO_TCP
) -> KafkaPythonSocket:
    return KafkaPythonSocket(family, type, proto)


KafkaNetSocket.socket = _kafka_python_socket

_configure_structlog = structlog.configure


def _configure_without_cache(**settings: Any) -> None:
    """Set up structlog, but let no logger keep the set-up of the test that used it first."""
    _configure_structlog(**settings | {"cache_logger_on_first_use": False})


setattr(structlog, "configure", _configure_without_cache)  # noqa: B010 (mypy allows no other function there)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesInGroups | None:
    """Distribute the tests in our own way where they are distributed by files."""
    return FilesInGroups(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    """Keep what is imported and collected out of garbage collection, which each rebuild of a read model ends with."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def garbage_of_own() -> None:
    """Keep what earlier files have left out of garbage collection too: it slows each of many rebuilds by a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Undo the set-up of logs, which a command makes for its process: it would hide the logs of later tests."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if structlog.is_configured():
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        observe_http.log_to(structlog.get_logger("http"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The PostgreSQL that all processes of this run share."""
    with servers.shared_postgres(os.environ.get("PYTEST_XDIST_TESTRUNUID")) as shared:
        yield shared


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """A migrated, empty database of the test's own."""
    with cluster.database() as fresh:
        yield fresh


@pytest.fixture
def own_postgres() -> Iterator[PostgresForTests]:
    """A migrated PostgreSQL of the test's own, to `kill()` and `start()`."""
    with servers.own_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisForTests]:
    """This process's Redis."""
    with servers.own_redis() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisForTests) -> str:
    """The address of an empty Redis, with the login of the cache."""
    with redis.Redis.from_url(redis_admin(redis_server.url)) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def own_redis() -> Iterator[RedisForTests]:
    """A Redis of the test's own, to `kill()` and `start()`."""
    with servers.own_redis() as server:
        yield server


@pytest.fixture(scope="session")
def kafka() -> Iterator[EmbeddedKafka]:
    """This process's broker: every test takes `topics` of its own in it.

    They stay to the end, thousands of partitions, each with some 70 KB of heap: with 256 MB the broker ended itself.
    """
    folder = Path(tempfile.mkdtemp(prefix="palimpsest-"))
    with brokers.own_kafka(folder, 1024) as broker:
        yield broker
    servers.remove_meanwhile(folder)


@pytest.fixture
def topics() -> Topics:
    """Topics of the test's own, which are not made yet."""
    return brokers.own_topics()


@pytest.fixture
def own_kafka() -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, to `kill()` and `start()`."""
    with brokers.own_kafka() as broker:
        yield broker
