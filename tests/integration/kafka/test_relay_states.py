"""The compacted topics hold the current state of each stream, or a tombstone. Also: the lag metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaProducer

from adapters.integration_events.cloudevents import CloudEvents
from domain.content.document import Document
from domain.identity.user import User
from domain.teams.team import Team
from infra.bootstrap.lifetime import cancelled
from infra.bootstrap.relay import publish
from infra.kafka.client import topics as made
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.topics import Topics
from infra.kafka.relay import lag
from infra.local.servers.kafka import EmbeddedKafka
from infra.store.partitioner import key_of, partition_of
from tests.support import relaying
from tests.support.given import NOW
from tests.support.history import WORDS, History
from tests.support.kafka import own_topics
from tests.support.metrics import sample
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store, rows
from tests.support.waiting import wait_until

POISON = """
INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id, recorded_at)
SELECT %s, 1, 'user.registered', '\\xc1', max(notification_id) + 1, now() FROM stored_events
"""


@pytest.fixture
def names() -> Topics:
    """Topics of this test alone."""
    return own_topics(partitions=4)


@pytest.fixture
def kafka_settings(kafka: EmbeddedKafka) -> ClientConfig:
    """The connection to this process's broker."""
    return {"bootstrap_servers": kafka.address}


@asynccontextmanager
async def publishing(opened: Opened, kafka: ClientConfig, names: Topics) -> AsyncIterator[None]:
    """Run the whole role."""
    running = asyncio.create_task(
        publish(opened.url, opened.database, opened.keyring, opened.store, kafka, names, CloudEvents())
    )
    try:
        yield
    finally:
        await cancelled(running)


def last_of(kafka: ClientConfig, topic: str) -> dict[UUID, Any]:
    """The last record of each key, which compaction keeps."""
    return {UUID(record.key.decode()): record for record in relaying.records_of(kafka, topic)}


def version_of(record: Any) -> int | None:
    """The version of the state; None: a tombstone."""
    return None if record.value is None else int(msgspec.json.decode(record.value)["version"])


def has_states(kafka: ClientConfig, topic: str, expected: Mapping[UUID, int | None]) -> Callable[[], bool]:
    """Whether the topic holds exactly these versions."""
    return lambda: {key: version_of(record) for key, record in last_of(kafka, topic).items()} == expected


async def test_every_stream_has_its_current_state(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    history = History(3)
    async with open_store(database.app_url) as opened, publishing(opened, kafka_settings, names):
        for roots in history.changes(300):
            await opened.store.append(roots, CALL, None)
        users = {user.id: user.version if user.active else None for user in history.of(User)}
        teams = {team.id: None if team.dissolved_at else team.version for team in history.of(Team)}
        documents = {document.id: document.version for document in history.of(Document)}
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("user"), users))
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("team"), teams))
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("document"), documents))


async def test_a_stream_that_changes_often_is_published_once(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    async with open_store(database.app_url) as opened:
        team = await found(opened)
        for number in range(50):
            team.rename(f"name {number}", by=CALL.actor, now=NOW)  # type: ignore[arg-type]
            await opened.store.append([team], CALL, None)
        async with publishing(opened, kafka_settings, names):
            await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("team"), {team.id: 51}))

    assert len(relaying.records_of(kafka_settings, names.state("team"))) == 1


async def found(opened: Opened) -> Team:
    assert CALL.actor
    team = Team.found(id=uuid4(), name="Crew", slug=f"crew-{uuid4().hex}", owner_id=CALL.actor.user_id, now=NOW)
    await opened.store.append([team], CALL, None)
    return team


async def test_a_closed_account_becomes_a_tombstone(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    async with open_store(database.app_url) as opened, publishing(opened, kafka_settings, names):
        user = User.register(id=uuid4(), email="ada@example.org", name="Ada", password_hash="-", now=NOW)
        await opened.store.append([user], CALL, None)
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("user"), {user.id: 1}))
        user.deactivate(now=NOW)
        await opened.store.append([user], CALL, None)
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("user"), {user.id: None}))


async def test_an_erased_account_becomes_a_tombstone(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    async with open_store(database.app_url) as opened:
        user = User.register(id=uuid4(), email="ada@example.org", name="Ada", password_hash="-", now=NOW)
        await opened.store.append([user], CALL, None)
        user.erase(now=NOW)
        await opened.store.append([user], CALL, None)
        async with publishing(opened, kafka_settings, names):
            await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("user"), {user.id: None}))


async def test_an_outdated_state_of_a_former_leader_is_replaced(
    database: Database, kafka_settings: ClientConfig, names: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.relay.state_publisher.CHECK_SECONDS", 0.5)
    async with open_store(database.app_url) as opened, publishing(opened, kafka_settings, names):
        team = await found(opened)
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("team"), {team.id: 1}))
        await asyncio.to_thread(publish_outdated, kafka_settings, names, team.id, "team")
        await asyncio.to_thread(wait_until, lambda: len(relaying.records_of(kafka_settings, names.state("team"))) == 3)
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("team"), {team.id: 1}))


def publish_outdated(kafka: ClientConfig, names: Topics, id: UUID, *aggregates: str) -> None:
    """Write an outdated state to the topics of these aggregates, one after the other."""
    key = key_of(id)
    with closing(KafkaProducer(**kafka)) as producer:
        for aggregate in aggregates:
            producer.send(names.state(aggregate), b'{"version":0}', key, partition=partition_of(key, names.partitions))
            producer.flush()


async def test_a_record_in_a_topic_without_states_holds_up_no_other(
    database: Database, kafka_settings: ClientConfig, names: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.relay.state_publisher.CHECK_SECONDS", 0.5)
    async with open_store(database.app_url) as opened, publishing(opened, kafka_settings, names):
        team = await found(opened)
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("team"), {team.id: 1}))
        await asyncio.to_thread(publish_outdated, kafka_settings, names, team.id, "address", "team")
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("team"), {team.id: 1}))


async def test_a_state_topic_that_was_lost_is_filled_again(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    async with open_store(database.app_url) as opened:
        teams = [await found(opened) for _ in range(5)]
        expected = {team.id: 1 for team in teams}
        async with publishing(opened, kafka_settings, names):
            await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("team"), expected))
        await asyncio.to_thread(recreate, kafka_settings, names, names.state("team"))
        async with publishing(opened, kafka_settings, names):
            await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("team"), expected))


def recreate(kafka: ClientConfig, names: Topics, topic: str) -> None:
    """Delete a topic and create it again, empty."""
    with closing(KafkaAdminClient(**kafka)) as admin:
        admin.delete_topics([topic])
        while topic in admin.list_topics():
            pass
        made.create_missing(admin, names, [topic])


async def test_an_aggregate_that_cannot_be_read_holds_up_no_other(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    async with open_store(database.app_url) as opened:
        await found(opened)
        rows(database.admin_url, POISON, uuid4())
        team = await found(opened)
        async with publishing(opened, kafka_settings, names):
            await asyncio.to_thread(wait_until, lambda: team.id in last_of(kafka_settings, names.state("team")))

    assert last_of(kafka_settings, names.state("user")) == {}


async def test_nothing_personal_is_in_states(database: Database, kafka_settings: ClientConfig, names: Topics) -> None:
    history = History(4)
    async with open_store(database.app_url) as opened, publishing(opened, kafka_settings, names):
        for roots in history.changes(150):
            await opened.store.append(roots, CALL, None)
        versions = {each.id: each.version for each in history.of(Document)}
        await asyncio.to_thread(wait_until, has_states(kafka_settings, names.state("document"), versions))

    for record in relaying.records_of(kafka_settings, *names.states()):
        content = b"\n".join([record.key, record.value or b"", *(value for _, value in record.headers)])
        for canary in [*(word.encode() for word in WORDS if word.isalpha()), b"@example.org", b"me.png", b"team-"]:
            assert canary not in content


def gauge(name: str) -> float:
    value = sample(f"palimpsest_relay_{name}")
    assert value is not None
    return value


async def test_lag_grows_while_the_broker_is_away_and_goes_when_it_is_back(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    async with open_store(database.app_url) as opened:
        away = relaying.new_relay(opened.url, {"bootstrap_servers": "127.0.0.1:1"}, names)
        for number in (1, 2):
            await found(opened)
            await lag.measure(opened.database, names, away)
            assert gauge("lag_events") == number
        assert gauge("lag_seconds") > 0
        await asyncio.to_thread(relaying.publish_all, opened.url, kafka_settings, names)
        await lag.measure(opened.database, names, away)
    assert (gauge("lag_events"), gauge("lag_seconds"), gauge("position")) == (0, 0, 2)
