"""A relay that loses its lease, or meets an error that is not Kafka's, loses no event."""

from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from structlog.testing import capture_logs

from infra.kafka.client.config import ClientConfig
from infra.kafka.client.record_batch import RecordBatch
from infra.kafka.client.record_format import EventRow
from infra.kafka.client.topics import Topics
from infra.kafka.relay import publish_session
from infra.kafka.relay.batch_builder import BatchBuilder, skipped_counter
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.kafka.relay.publish_session import PublishSession
from infra.kafka.relay.session_checkpoints import SessionCheckpoints
from infra.local.servers.kafka import EmbeddedKafka
from infra.postgres.connect import connect
from infra.postgres.leader_lease import LeaderLease
from infra.store.log_rows import APPENDED_CHANNEL
from tests.support import relaying
from tests.support.history import History
from tests.support.kafka import own_topics
from tests.support.servers import Database
from tests.support.stores import rows


@pytest.fixture
def names() -> Topics:
    """Topics of this test alone."""
    return own_topics(partitions=4)


@pytest.fixture
def kafka_settings(kafka: EmbeddedKafka) -> ClientConfig:
    """The connection to this process's broker."""
    return {"bootstrap_servers": kafka.address}


def test_a_page_that_was_read_when_the_lease_was_lost_is_published_later(
    database: Database, kafka_settings: ClientConfig, names: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.relay.publish_session.PAGE_EVENTS", 40)
    monkeypatch.setattr("infra.kafka.relay.session_checkpoints.SAVE_SECONDS", 0.0)
    relaying.live(database.app_url, History(5), changes=200)
    take_lease, leases = LeaderLease.try_take, list[LeaderLease]()
    build, pages = BatchBuilder.build, list[int]()

    def noted(lease: LeaderLease) -> bool:
        leases.append(lease)
        return take_lease(lease)

    def build_and_lose_lease(builder: BatchBuilder, rows: list[EventRow]) -> dict[TopicPartition, RecordBatch]:
        pages.append(len(rows))
        if len(pages) in (1, 3):
            leases[-1].close()
        return build(builder, rows)

    monkeypatch.setattr(LeaderLease, "try_take", noted)
    monkeypatch.setattr(BatchBuilder, "build", build_and_lose_lease)
    relaying.publish_all(database.app_url, kafka_settings, names)

    assert len(pages) > 3
    relaying.require_private_complete(database.app_url, kafka_settings, names)


def test_a_key_that_cannot_be_opened_holds_up_nothing_but_what_it_has_sealed(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    relaying.live(database.app_url, History(7))
    rows(database.admin_url, "UPDATE data_keys SET wrapped = substr(wrapped, 1, 20)")
    before = skipped_counter._value.get()

    with capture_logs() as logs:
        relaying.publish_all(database.app_url, kafka_settings, names)

    relaying.require_private_complete(database.app_url, kafka_settings, names)
    published = set(relaying.public_positions(kafka_settings, names))
    log = relaying.stored(database.app_url)
    assert not any(row.position in published for row in log if row.topic == "user.registered")
    assert any(row.position in published for row in log if row.topic == "document.trashed")
    assert skipped_counter._value.get() > before
    left_out = [entry for entry in logs if entry["event"] == "event left out of the public topics"]
    assert {entry["error"] for entry in left_out} == {"Damage"}


def test_an_error_that_is_not_kafkas_is_not_blamed_on_it(
    database: Database, kafka_settings: ClientConfig, names: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    relaying.live(database.app_url, History(5), changes=5)
    build, failed = BatchBuilder.build, list[int]()

    def faulty(builder: BatchBuilder, rows: list[EventRow]) -> dict[TopicPartition, RecordBatch]:
        if not failed:
            failed.append(1)
            raise RuntimeError
        return build(builder, rows)

    monkeypatch.setattr(BatchBuilder, "build", faulty)
    with capture_logs() as logs:
        relaying.publish_all(database.app_url, kafka_settings, names)

    assert [(entry["event"], entry["error"]) for entry in logs if entry["log_level"] == "warning"] == [
        ("publishing failed; starting again", "RuntimeError")
    ]


def test_notifications_that_came_meanwhile_make_an_idle_relay_look_once(database: Database) -> None:
    """Each of them ended one wait of the relay, after it had nothing left to publish."""
    nothing: Any = None
    lease: Any = SimpleNamespace(held=lambda: True)
    with connect(database.part_url("relay"), autocommit=True) as connection:
        connection.execute(f"LISTEN {APPENDED_CHANNEL}")
        topics = Topics(partitions=1)
        ends = {(name, 0): PartitionEnd(0, 0, 0) for name in topics.events()}
        builder = BatchBuilder(topics, ends, nothing, lambda _: {}, nothing)
        session = PublishSession(connection, nothing, builder, SessionCheckpoints(connection, ends))
        for _ in range(5):
            rows(database.admin_url, f"NOTIFY {APPENDED_CHANNEL}")
        connection.execute("SELECT 1")
        session.step(lease)
        began = monotonic()
        session.step(lease)
        assert monotonic() - began >= publish_session.POLL_SECONDS
