"""A client that is not ours reads the same: keys, values, headers, times and places."""

import json
from typing import Any

import pytest

from adapters.integration_events.contract import aggregates
from infra.kafka.client.topics import AGGREGATES, Topics
from infra.local.servers.kafka import EmbeddedKafka
from infra.store.event_bytes import metadata_of
from tests.support import kcat, published, relaying
from tests.support.kafka import own_topics
from tests.support.kcat import Line
from tests.support.servers import Database


@pytest.fixture
def topics(database: Database, kafka: EmbeddedKafka) -> Topics:
    """Topics that a relay has filled."""
    topics = own_topics(partitions=3)
    published.live(database.app_url, 150)
    relaying.publish_all(database.app_url, {"bootstrap_servers": kafka.address}, topics)
    return topics


def as_kcat_tells(record: Any) -> Line:
    """A record of ours in its words."""
    headers = ",".join(f"{name}={value.decode()}" for name, value in record.headers)
    return Line(record.partition, record.offset, record.timestamp, record.key or b"", record.value or b"", headers)


def test_it_reads_what_we_read(topics: Topics, kafka: EmbeddedKafka) -> None:
    filled = {topics.internal, *map(topics.public, aggregates())}
    for topic in topics.events():
        ours = relaying.records_of({"bootstrap_servers": kafka.address}, topic)
        expected = sorted(map(as_kcat_tells, ours), key=lambda line: (line.partition, line.offset))
        assert bool(expected) == (topic in filled)
        assert kcat.read(kafka.address, topic) == expected


def test_it_reads_events_that_are_cloud_events(topics: Topics, kafka: EmbeddedKafka, database: Database) -> None:
    ids = {str(metadata_of(row.state).event_id): row for row in published.rows(database.app_url)}
    read = [line for aggregate in AGGREGATES for line in kcat.read(kafka.address, topics.public(aggregate))]
    assert len(read) > 50
    for line in read:
        attributes = dict(pair.split("=", 1) for pair in line.headers.split(","))
        row = ids.pop(attributes["ce_id"])
        assert attributes["ce_specversion"] == "1.0"
        assert attributes["ce_type"] == f"palimpsest.{row.topic}.v1"
        assert attributes["ce_sequence"] == str(row.position)
        assert line.key.decode() == attributes["ce_subject"] == str(row.stream_id)
        assert json.loads(line.value)["version"] == row.version
    assert {row.topic for row in ids.values()} <= relaying.PRIVATE_EVENTS
