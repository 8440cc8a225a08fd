"""Relay processes that are killed, frozen or disconnected lose nothing, and a standby takes over."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from time import sleep

import psycopg
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from domain.kernel import Root
from infra.kafka.client import record_format
from infra.kafka.client import topics as made
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.topics import Topics
from infra.local.servers.kafka import EmbeddedKafka
from tests.support import relaying
from tests.support.history import History
from tests.support.kafka import own_topics
from tests.support.roles import RoleProcess, environment, frozen
from tests.support.servers import Database, open_folder
from tests.support.stores import CALL, open_store
from tests.support.waiting import wait_until


@contextmanager
def relays(database: Database, broker: EmbeddedKafka, names: Topics, number: int = 1) -> Iterator[list[RoleProcess]]:
    """Processes that are not started yet; running ones are killed at the end."""
    with open_folder() as folder, ExitStack() as stack:
        found = []
        for each in range(number):
            own = folder / str(each)
            own.mkdir()
            given = {
                "KAFKA_BOOTSTRAP_SERVERS": broker.address,
                "PALIMPSEST_KAFKA_PREFIX": names.prefix,
                "PALIMPSEST_KAFKA_PARTITIONS": str(names.partitions),
            }
            found.append(RoleProcess("relay", {**environment(database, None, 8000, own), **given}, own))
            stack.callback(found[-1].kill)
        yield found


@pytest.fixture
def names() -> Topics:
    """Topics of this test alone."""
    return own_topics(partitions=4)


def settings_of(broker: EmbeddedKafka) -> ClientConfig:
    return {"bootstrap_servers": broker.address}


async def append(url: str, changes: Iterable[list[Root]], pause: float = 0.0) -> None:
    async with open_store(url) as opened:
        for roots in changes:
            await opened.store.append(roots, CALL, None)
            await asyncio.sleep(pause)


class Reader:
    """Reads the private topic while it grows."""

    def __init__(self, kafka: ClientConfig, names: Topics) -> None:
        with closing(KafkaAdminClient(**kafka)) as admin:
            made.create_missing(admin, names, names.events())
        self._consumer = KafkaConsumer(**kafka, group_id=None, enable_auto_commit=False)
        self._consumer.assign([TopicPartition(names.internal, number) for number in range(names.partitions)])
        self._consumer.seek_to_beginning()
        self.positions: set[int] = set()

    def has(self, position: int) -> bool:
        """Whether the event of that position was published."""
        for records in self._consumer.poll(50).values():
            for record in records:
                read = record_format.decode_record(record)
                if isinstance(read, record_format.EventRecord):
                    self.positions.add(read.position)
        return position in self.positions

    def close(self) -> None:
        self._consumer.close()


def has_logged(relay: RoleProcess, word: str) -> bool:
    """Whether the relay has logged that text."""
    return relay.log.exists() and word in relay.log.read_text()


def head(database: Database) -> int:
    with psycopg.connect(database.app_url) as connection:
        row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM stored_events").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("end", ["killed", "frozen"])
def test_a_standby_takes_over_when_the_leader_is_killed_or_frozen(
    database: Database, kafka: EmbeddedKafka, names: Topics, end: str
) -> None:
    history = History(7)
    asyncio.run(append(database.app_url, history.changes(50)))
    with relays(database, kafka, names, 2) as (leader, standby), closing(Reader(settings_of(kafka), names)) as reader:
        leader.start()
        wait_until(lambda: reader.has(head(database)))
        standby.start()
        wait_until(lambda: has_logged(standby, "standing by"))
        asyncio.run(append(database.app_url, history.changes(50)))
        with ExitStack() as meanwhile:
            if end == "frozen":
                meanwhile.enter_context(frozen(leader.pid))
            else:
                leader.kill()
            asyncio.run(append(database.app_url, history.changes(1)))
            wait_until(lambda: reader.has(head(database)))
        if end == "frozen":
            asyncio.run(append(database.app_url, history.changes(50), pause=0.02))
            wait_until(lambda: reader.has(head(database)))
            wait_until(lambda: has_logged(leader, "standing by"))

    relaying.require_private_complete(database.app_url, settings_of(kafka), names)


def test_relays_killed_at_any_moment_lose_nothing(database: Database, kafka: EmbeddedKafka, names: Topics) -> None:
    chance, history, over = random.Random(11), History(8), Event()

    def write() -> None:
        while not over.is_set():
            asyncio.run(append(database.app_url, history.changes(50)))

    writing = Thread(target=write)
    with relays(database, kafka, names, 2) as pair, closing(Reader(settings_of(kafka), names)) as reader:
        writing.start()
        for each in pair:
            each.start()
        for number in range(6):
            sleep(chance.uniform(0.5, 3.0))
            pair[number % 2].kill()
            pair[number % 2].start()
        over.set()
        writing.join()
        wait_until(lambda: reader.has(head(database)))

    relaying.require_private_complete(database.app_url, settings_of(kafka), names)
    assert relaying.public_positions(settings_of(kafka), names) == relaying.expected_public(database.app_url)


def test_a_broker_that_comes_back_gets_what_it_missed(
    database: Database, own_kafka: EmbeddedKafka, names: Topics
) -> None:
    history, kafka = History(9), settings_of(own_kafka)
    with relays(database, own_kafka, names) as (relay,):
        relay.start()
        with closing(Reader(kafka, names)) as reader:
            asyncio.run(append(database.app_url, history.changes(100)))
            wait_until(lambda: reader.has(head(database)))
            own_kafka.kill()
            asyncio.run(append(database.app_url, history.changes(200), pause=0.01))
            own_kafka.start()
            asyncio.run(append(database.app_url, history.changes(50)))
            wait_until(lambda: reader.has(head(database)))

    assert relaying.require_private_complete(database.app_url, kafka, names) == 0


def test_a_relay_that_starts_before_its_broker_says_that_it_waits(
    database: Database, own_kafka: EmbeddedKafka, names: Topics
) -> None:
    asyncio.run(append(database.app_url, History(9).changes(20)))
    own_kafka.kill()
    with relays(database, own_kafka, names) as (relay,):
        relay.start()
        wait_until(lambda: has_logged(relay, "Kafka does not accept records"))
        own_kafka.start()
        with closing(Reader(settings_of(own_kafka), names)) as reader:
            wait_until(lambda: reader.has(head(database)))


def test_without_a_broker_the_relay_says_what_to_set(database: Database, tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "infra.cli.main", "relay"],
        env={**environment(database, None, 8000, tmp_path), "KAFKA_BOOTSTRAP_SERVERS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in found.stderr


def test_a_relay_ends_with_a_sentence_when_a_topic_has_other_partitions(
    database: Database, kafka: EmbeddedKafka, names: Topics
) -> None:
    with closing(KafkaAdminClient(**settings_of(kafka))) as admin:
        made.create_missing(admin, Topics(names.prefix, partitions=2), [names.internal])
    with relays(database, kafka, names) as (relay,):
        relay.start()
        wait_until(lambda: has_logged(relay, f"{names.internal} has 2 partitions"))
        assert "Traceback" not in relay.log.read_text()
