"""Which ends of topics a relay trusts at start-up, and which not."""

from collections.abc import Iterator
from contextlib import closing
from time import sleep
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from infra.kafka.client import record_batch, topics
from infra.kafka.client.batch_producer import BatchProducer, InFlightBatch, PublishFailed
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.topics import Topics
from infra.kafka.relay.checkpoints import LogBehind
from infra.local.servers.kafka import EmbeddedKafka
from tests.support import relaying
from tests.support.history import History
from tests.support.kafka import own_topics
from tests.support.servers import Database
from tests.support.stores import rows


@pytest.fixture
def names() -> Topics:
    """Topics of this test alone."""
    return own_topics(partitions=2)


@pytest.fixture
def kafka_settings(kafka: EmbeddedKafka) -> ClientConfig:
    """The connection to this process's broker."""
    return {"bootstrap_servers": kafka.address}


@pytest.fixture
def producer(kafka_settings: ClientConfig) -> Iterator[KafkaProducer]:
    """A producer of foreign records."""
    with closing(KafkaProducer(**kafka_settings)) as opened:
        yield opened


def test_a_relay_that_restarts_while_it_fills_a_topic_again_leaves_nothing_out(
    database: Database,
    kafka_settings: ClientConfig,
    names: Topics,
    producer: KafkaProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relaying.live(database.app_url, History(5))
    relaying.publish_all(database.app_url, kafka_settings, names)
    topic = names.public("user")
    before = relaying.records_of(kafka_settings, topic)
    recreate(kafka_settings, names, topic)
    for records in relaying.by_partition(before).values():
        copy(producer, records[-1])
    send, pages = BatchProducer.send, list[int]()

    def faulty(producer: BatchProducer, page: record_batch.Batches) -> InFlightBatch:
        pages.append(1)
        if len(pages) == 1:
            raise PublishFailed("a fault planted by the test")
        return send(producer, page)

    monkeypatch.setattr(BatchProducer, "send", faulty)
    relaying.publish_all(database.app_url, kafka_settings, names)

    found = {relaying.sequence_of(record) for record in relaying.records_of(kafka_settings, topic)}
    assert found == {relaying.sequence_of(record) for record in before}


def recreate(kafka: ClientConfig, names: Topics, topic: str) -> None:
    """Delete a topic and create it again, empty."""
    with closing(KafkaAdminClient(**kafka)) as admin:
        admin.delete_topics([topic])
        while topic in admin.list_topics():
            sleep(0.05)
        topics.create_missing(admin, names, [topic])


def copy(producer: KafkaProducer, record: Any) -> None:
    """Write a record as it was read."""
    producer.send(record.topic, record.value, record.key, list(record.headers), partition=record.partition)
    producer.flush()


@pytest.mark.parametrize("value", [b"1000000000", b"9" * 19, b"1" + b"0" * 30, b"9" * 5000, b"", b"-1", b"one"])
def test_a_foreign_position_at_the_end_of_a_topic_is_not_trusted(
    database: Database, kafka_settings: ClientConfig, names: Topics, producer: KafkaProducer, value: bytes
) -> None:
    history = History(5)
    relaying.live(database.app_url, history, changes=10)
    relaying.publish_all(database.app_url, kafka_settings, names)
    for topic in names.events():
        for partition in range(names.partitions):
            producer.send(topic, b"{}", b"key", [("ce_sequence", value)], partition=partition)
    producer.flush()
    relaying.live(database.app_url, history, changes=10)
    relaying.publish_all(database.app_url, kafka_settings, names)

    assert set(relaying.expected_public(database.app_url)) <= public_positions(kafka_settings, names)


def public_positions(kafka: ClientConfig, names: Topics) -> set[int]:
    """The positions of the public events, foreign ones left out."""
    records = relaying.records_of(kafka, *names.events()[1:])
    return {relaying.sequence_of(record) for record in records if record.key != b"key"}


def test_a_log_that_was_restored_to_an_earlier_state_is_not_published(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    relaying.live(database.app_url, History(5), changes=10)
    relaying.publish_all(database.app_url, kafka_settings, names)
    rows(database.admin_url, "UPDATE relays SET position = position + 1000")

    with pytest.raises(LogBehind, match="the database was restored to an earlier state"):
        relaying.new_relay(database.app_url, kafka_settings, names).run()
