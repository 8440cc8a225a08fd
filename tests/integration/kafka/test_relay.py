"""The relay on a real broker publishes every event as stored and in order, whatever fails."""

from collections.abc import Iterator
from contextlib import closing
from time import sleep
from typing import Any
from uuid import UUID

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource
from structlog.testing import capture_logs

from infra.kafka.client import record_batch, record_format, topics
from infra.kafka.client.batch_producer import BatchProducer, InFlightBatch, PublishFailed
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.topics import Topics, WrongPartitions
from infra.kafka.relay.batch_builder import skipped_counter
from infra.local.servers.kafka import EmbeddedKafka
from tests.support import relaying
from tests.support.history import WORDS, History
from tests.support.kafka import own_topics
from tests.support.servers import Database
from tests.support.stored import by_hand
from tests.support.stores import rows
from tests.support.waiting import wait_until

POISONED = UUID(int=0xBAD)
POISON = """
INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id, recorded_at)
SELECT %s, 1, %s, %s, max(notification_id) + 1, now() FROM stored_events
"""


@pytest.fixture
def history() -> History:
    """The changes of the test."""
    return History(5)


@pytest.fixture
def names() -> Topics:
    """Topics of this test alone."""
    return own_topics(partitions=4)


@pytest.fixture
def kafka_settings(kafka: EmbeddedKafka) -> ClientConfig:
    """The connection to this process's broker."""
    return {"bootstrap_servers": kafka.address}


def test_everything_arrives_as_it_was_stored(
    database: Database, kafka_settings: ClientConfig, names: Topics, history: History
) -> None:
    relaying.live(database.app_url, history)

    with relaying.running(relaying.new_relay(database.app_url, kafka_settings, names)) as relay:
        relaying.until_published(relay, database.app_url)
        relaying.live(database.app_url, history)
        relaying.until_published(relay, database.app_url)

    assert relaying.require_private_complete(database.app_url, kafka_settings, names) == 0
    assert relaying.public_positions(kafka_settings, names) == relaying.expected_public(database.app_url)


def test_every_partition_says_how_far_it_is_complete(
    database: Database, kafka_settings: ClientConfig, names: Topics, history: History
) -> None:
    relaying.live(database.app_url, history, changes=5)

    with relaying.running(relaying.new_relay(database.app_url, kafka_settings, names)) as relay:
        relaying.until_published(relay, database.app_url)
        sleep(0.5)

    head = len(relaying.stored(database.app_url))
    assert relaying.watermarks(kafka_settings, names) == dict.fromkeys(range(4), head)


def test_a_relay_that_starts_again_repeats_nothing(
    database: Database, kafka_settings: ClientConfig, names: Topics, history: History
) -> None:
    relaying.live(database.app_url, history)
    relaying.publish_all(database.app_url, kafka_settings, names)
    forget_progress(database)
    relaying.live(database.app_url, history)
    relaying.publish_all(database.app_url, kafka_settings, names)

    assert relaying.require_private_complete(database.app_url, kafka_settings, names) == 0


def forget_progress(database: Database) -> None:
    """Reset the saved checkpoints, as if the relay had died before it saved them."""
    rows(database.app_url, "UPDATE relays SET next_offset = 0, position = 0")


class Faults:
    """Makes every third page of a relay fail."""

    def __init__(self) -> None:
        self.pages = 0
        self.met = 0

    def fail(self) -> None:
        self.pages += 1
        if self.pages % 3 == 0:
            self.met += 1
            raise PublishFailed("a fault planted by the test")


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few events at a time, and no pause after a failure."""
    monkeypatch.setattr("infra.kafka.relay.publish_session.PAGE_EVENTS", 40)
    monkeypatch.setattr("infra.kafka.relay.relay.RETRY_SECONDS", 0.01)


@pytest.mark.usefixtures("small_pages")
def test_a_page_that_was_not_sent_is_sent_later(
    database: Database, kafka_settings: ClientConfig, names: Topics, monkeypatch: pytest.MonkeyPatch, history: History
) -> None:
    relaying.live(database.app_url, history, changes=300)
    send, faults = BatchProducer.send, Faults()

    def faulty(producer: BatchProducer, pages: record_batch.Batches) -> InFlightBatch:
        faults.fail()
        return send(producer, pages)

    monkeypatch.setattr(BatchProducer, "send", faulty)
    relaying.publish_all(database.app_url, kafka_settings, names)

    assert faults.met > 1
    assert relaying.require_private_complete(database.app_url, kafka_settings, names) == 0


@pytest.mark.usefixtures("small_pages")
def test_a_page_whose_acknowledgement_got_lost_is_not_sent_again(
    database: Database, kafka_settings: ClientConfig, names: Topics, monkeypatch: pytest.MonkeyPatch, history: History
) -> None:
    relaying.live(database.app_url, history, changes=300)
    offsets, faults = InFlightBatch.offsets, Faults()

    def faulty(flight: InFlightBatch) -> dict[TopicPartition, tuple[int, int]]:
        found = offsets(flight)
        faults.fail()
        return found

    monkeypatch.setattr(InFlightBatch, "offsets", faulty)
    relaying.publish_all(database.app_url, kafka_settings, names)

    assert faults.met > 1
    assert relaying.require_private_complete(database.app_url, kafka_settings, names) == 0


@pytest.fixture
def admin(kafka_settings: ClientConfig) -> Iterator[KafkaAdminClient]:
    """The broker's admin client."""
    with closing(KafkaAdminClient(**kafka_settings)) as client:
        yield client


def test_topics_that_were_lost_are_filled_again(
    database: Database, kafka_settings: ClientConfig, names: Topics, admin: KafkaAdminClient, history: History
) -> None:
    relaying.live(database.app_url, history)
    relaying.publish_all(database.app_url, kafka_settings, names)
    before = relaying.public_positions(kafka_settings, names)

    lost = [names.internal, names.public("document")]
    admin.delete_topics(lost)
    wait_until(lambda: not {*lost} & {*admin.list_topics()})
    relaying.publish_all(database.app_url, kafka_settings, names)

    relaying.require_private_complete(database.app_url, kafka_settings, names)
    assert relaying.public_positions(kafka_settings, names) == before


def test_a_topic_created_again_under_a_running_relay_is_filled_again(
    database: Database, kafka_settings: ClientConfig, names: Topics, admin: KafkaAdminClient, history: History
) -> None:
    relaying.live(database.app_url, history, changes=300)
    with relaying.running(relaying.new_relay(database.app_url, kafka_settings, names)) as relay:
        relaying.until_published(relay, database.app_url)
        admin.delete_topics([names.internal])
        wait_until(lambda: names.internal not in admin.list_topics())
        topics.create_missing(admin, names, [names.internal])
        relaying.live(database.app_url, history, changes=20)
        relaying.until_published(relay, database.app_url)
        everything = {row.position for row in relaying.stored(database.app_url)}
        wait_until(lambda: everything <= positions_in(kafka_settings, names.internal))


def positions_in(kafka: ClientConfig, topic: str) -> set[int]:
    return {record_format.decode_record(record).position for record in relaying.records_of(kafka, topic)}


def test_another_partition_count_is_refused(
    database: Database, kafka_settings: ClientConfig, names: Topics, admin: KafkaAdminClient
) -> None:
    topics.create_missing(admin, Topics(names.prefix, partitions=3), [names.public("team")])

    with pytest.raises(WrongPartitions, match=r"team\.v1 has 3 partitions"):
        relaying.new_relay(database.app_url, kafka_settings, names).run()


def test_what_was_published_over_fewer_partitions_is_not_mixed_with_more(
    database: Database, kafka_settings: ClientConfig, names: Topics
) -> None:
    relaying.publish_all(database.app_url, kafka_settings, names)
    with relaying.running(relaying.new_relay(database.app_url, kafka_settings, names)) as relay:
        wait_until(lambda: relay.position is not None)

    with pytest.raises(WrongPartitions, match="partitions"):
        relaying.new_relay(database.app_url, kafka_settings, Topics(names.prefix, partitions=6)).run()


def test_topics_are_created_to_keep_everything(
    database: Database, kafka_settings: ClientConfig, names: Topics, admin: KafkaAdminClient, history: History
) -> None:
    relaying.live(database.app_url, history, changes=3)
    relaying.publish_all(database.app_url, kafka_settings, names)

    described = admin.describe_configs([ConfigResource("TOPIC", names.internal)])
    found = next(iter(described.values()))[names.internal]
    assert (found["retention.ms"]["value"], found["cleanup.policy"]["value"]) == ("-1", "delete")


@pytest.mark.parametrize(
    ("topic", "state"),
    [
        ("document.created", b"\xc1"),
        ("document.shared", by_hand("document.shared", POISONED, 1, {})),
        ("document.trashed", by_hand("document.trashed", POISONED, 1, {})),
        ("no.such", by_hand("no.such", POISONED, 1, {})),
        ("team.x", b""),
    ],
)
def test_an_event_that_cannot_be_read_stays_private_and_holds_up_nothing(
    database: Database, kafka_settings: ClientConfig, names: Topics, topic: str, state: bytes, history: History
) -> None:
    relaying.live(database.app_url, history, changes=5)
    rows(database.admin_url, POISON, POISONED, topic, state)
    relaying.live(database.app_url, history, changes=5)
    before = skipped_counter._value.get()

    relaying.publish_all(database.app_url, kafka_settings, names)

    relaying.require_private_complete(database.app_url, kafka_settings, names)
    public = [row.position for row in relaying.stored(database.app_url) if row.topic not in relaying.PRIVATE_EVENTS]
    assert max(relaying.public_positions(kafka_settings, names)) == max(public)
    assert skipped_counter._value.get() - before == (topic != "no.such")


def test_a_relay_with_a_full_stream_cache_finds_the_partitions_again(
    database: Database, kafka_settings: ClientConfig, names: Topics, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.relay.batch_builder.MAX_CACHED_STREAMS", 1)
    relaying.live(database.app_url, history)
    relaying.publish_all(database.app_url, kafka_settings, names)

    relaying.require_private_complete(database.app_url, kafka_settings, names)


def test_a_foreign_record_on_the_private_topic_changes_nothing(
    database: Database, kafka_settings: ClientConfig, names: Topics, history: History
) -> None:
    relaying.live(database.app_url, history)
    relaying.publish_all(database.app_url, kafka_settings, names)
    with closing(KafkaProducer(**kafka_settings)) as producer:
        for partition in range(4):
            producer.send(names.internal, b"poison", b"key", [("event", b"{")], partition=partition)
            producer.flush()
    relaying.live(database.app_url, history)
    relaying.publish_all(database.app_url, kafka_settings, names)

    read = [record_format.decode_record(record) for record in clean(kafka_settings, names.internal)]
    positions = [each.position for each in read if isinstance(each, record_format.EventRecord)]
    assert sorted(positions) == list(range(1, len(relaying.stored(database.app_url)) + 1))


def clean(kafka: ClientConfig, topic: str) -> list[Any]:
    """The records without those that the test has planted."""
    return [record for record in relaying.records_of(kafka, topic) if record.value != b"poison"]


CANARIES = [*(word.encode() for word in WORDS if word.isalpha()), b"@example.org", b"me.png", b"team-"]


def test_nothing_personal_is_published(
    database: Database, kafka_settings: ClientConfig, names: Topics, history: History
) -> None:
    relaying.live(database.app_url, history, changes=400)
    relaying.publish_all(database.app_url, kafka_settings, names)

    for record in relaying.records_of(kafka_settings, *names.events()):
        content = b"\n".join([record.key or b"", record.value, *(value for _, value in record.headers)])
        for canary in CANARIES:
            assert canary not in content, record.topic


def test_a_log_that_cannot_be_read_is_waited_for(kafka_settings: ClientConfig, names: Topics) -> None:
    relay = relaying.new_relay("postgresql://127.0.0.1:1/none", kafka_settings, names)
    with capture_logs() as logs, relaying.running(relay):
        wait_until(lambda: [each["event"] for each in logs].count("relay without database") > 1)
        assert relay.position is None


def test_a_missing_broker_is_waited_for(
    database: Database, names: Topics, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.client.connect.BOOTSTRAP_MS", 500)
    relaying.live(database.app_url, history, changes=3)
    nowhere = {"bootstrap_servers": "127.0.0.1:1"}

    relay = relaying.new_relay(database.app_url, nowhere, names)
    with capture_logs() as logs, relaying.running(relay):
        wait_until(lambda: "Kafka does not accept records; retrying" in [each["event"] for each in logs])
        assert relay.position is None
        assert not relay.is_leading()
