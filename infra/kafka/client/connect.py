"""Opens kafka-python's clients with the timeouts that the relay and the tools need."""

from collections.abc import Iterable

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from infra.kafka.client.batch_producer import DELIVERY_SECONDS, BatchProducer
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.topics import MAX_RECORD_BYTES

BOOTSTRAP_MS = 5_000


def open_admin(kafka: ClientConfig) -> KafkaAdminClient:
    """An admin client.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    return KafkaAdminClient(**kafka, bootstrap_timeout_ms=BOOTSTRAP_MS)


def open_consumer(kafka: ClientConfig) -> KafkaConsumer:
    """A consumer without a group: the caller assigns its partitions.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    return KafkaConsumer(**kafka, enable_auto_commit=False, group_id=None, bootstrap_timeout_ms=BOOTSTRAP_MS)


def open_producer(kafka: ClientConfig, topics: Iterable[str]) -> BatchProducer:
    """An idempotent producer for the topics, which must exist.

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
        max_request_size=MAX_RECORD_BYTES,
        metrics_enabled=False,
    )
    return BatchProducer(producer, topics)
