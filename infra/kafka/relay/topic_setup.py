"""Relay start-up: creates missing topics, checks partition counts and reads where the partitions end."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import structlog
from kafka import TopicPartition

from infra.kafka.client import topics
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.connect import open_admin, open_consumer
from infra.kafka.client.topics import Topics
from infra.kafka.relay import checkpoints
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.postgres import connect as postgres

log = structlog.get_logger(__name__)


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to read the log with, its times in UTC.

    Raises:
        psycopg.Error: the database does not answer.
    """
    with postgres.connect(
        url, autocommit=True, prepare_threshold=0, silence_seconds=5, settings={"statement_timeout": "10s"}
    ) as connection:
        yield connection


def prepare(
    connection: psycopg.Connection[Any], kafka: ClientConfig, names: Topics, wanted: Sequence[str]
) -> dict[TopicPartition, PartitionEnd]:
    """Create the missing topics of `wanted`. Returns where their partitions end, which it also saves.

    Raises:
        WrongPartitions: a topic's partition count has changed.
        LogBehind: the log has lost events that were published.
        kafka.errors.KafkaError: the broker does not answer, or refuses.
    """
    partitions = [(topic, number) for topic in wanted for number in range(names.partitions)]
    saved = checkpoints.load(connection, wanted)
    checkpoints.require_log(saved, checkpoints.head_of(connection))
    expected = dict.fromkeys(wanted, names.partitions)
    topics.require_partitions(checkpoints.count_partitions(saved), expected)
    with closing(open_admin(kafka)) as admin:
        created = topics.create_missing(admin, names, wanted)
    if created:
        log.info("topics created", topics=created)
    with closing(open_consumer(kafka)) as consumer:
        topics.require_partitions(
            {topic: len(consumer.partitions_for_topic(topic) or range(names.partitions)) for topic in wanted}, expected
        )
        ends, lost = checkpoints.read_ends(consumer, partitions, saved, lambda: checkpoints.head_of(connection))
    if lost:
        log.error("topics have lost records; publishing again", topics=sorted({topic for topic, _ in lost}))
    checkpoints.save(connection, ends)
    return ends
