"""How publishing begins: the topics are there and as they should be, their ends are known, and a producer waits."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import structlog
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from infra.kafka.client import topics
from infra.kafka.client.batch_producer import DELIVERY_SECONDS, BatchProducer
from infra.kafka.client.topics import LARGEST_RECORD, Topics
from infra.kafka.relay import checkpoints
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.postgres import connect as postgres

BOOTSTRAP_MS = 5_000

Settings = dict[str, Any]
"""How kafka-python connects."""

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


def consumer_of(kafka: Settings) -> KafkaConsumer:
    """A consumer that reads what it is assigned, in no group.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    return KafkaConsumer(**kafka, enable_auto_commit=False, group_id=None, bootstrap_timeout_ms=BOOTSTRAP_MS)


def prepare(
    connection: psycopg.Connection[Any], kafka: Settings, names: Topics, wanted: Sequence[str]
) -> dict[TopicPartition, PartitionEnd]:
    """Make what is missing of the topics `wanted`, and see where they end.

    Raises:
        WrongPartitions: a topic is not as it was when its streams were spread over it.
        LogBehind: the log has lost events that were published.
        kafka.errors.KafkaError: the broker does not answer, or refuses.
    """
    places = [(topic, partition) for topic in wanted for partition in range(names.partitions)]
    known = checkpoints.load(connection, wanted)
    checkpoints.require_log(known, checkpoints.head_of(connection))
    expected = dict.fromkeys(wanted, names.partitions)
    topics.require_partitions(checkpoints.counts_of(known), expected)
    with closing(KafkaAdminClient(**kafka, bootstrap_timeout_ms=BOOTSTRAP_MS)) as admin:
        made = topics.make_missing(admin, names, wanted)
    if made:
        log.info("topics made", topics=made)
    with closing(consumer_of(kafka)) as consumer:
        topics.require_partitions(
            {topic: len(consumer.partitions_for_topic(topic) or range(names.partitions)) for topic in wanted}, expected
        )
        found, lost = checkpoints.look(consumer, places, known, lambda: checkpoints.head_of(connection))
    if lost:
        log.error("topics have lost records; publishing again", topics=sorted({topic for topic, _ in lost}))
    checkpoints.save(connection, found)
    return found


def outlet_to(kafka: Settings, wanted: Sequence[str]) -> BatchProducer:
    """An idempotent producer for the topics, which must be there.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    producer = KafkaProducer(
        **kafka,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=BOOTSTRAP_MS,
        delivery_timeout_ms=round(DELIVERY_SECONDS * 1000),
        request_timeout_ms=10_000,
        max_block_ms=10_000,
        reconnect_backoff_max_ms=1_000,
        max_request_size=LARGEST_RECORD,
        metrics_enabled=False,
    )
    return BatchProducer(producer, wanted)
