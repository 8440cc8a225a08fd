"""The fast decoder reads the same records as kafka-python."""

import random
from contextlib import closing

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from infra.kafka.client.record_decoder import use_fast_decoder
from infra.kafka.client.topics import Topics, create_missing
from infra.local.servers.kafka import EmbeddedKafka


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_the_fast_decoder_reads_what_the_library_reads(
    kafka: EmbeddedKafka, topics: Topics, compression: str | None
) -> None:
    partition = TopicPartition(topics.internal, 3)
    with closing(KafkaAdminClient(bootstrap_servers=kafka.address)) as admin:
        create_missing(admin, topics, [topics.internal])
    dice = random.Random(9)
    with closing(
        KafkaProducer(bootstrap_servers=kafka.address, compression_type=compression, linger_ms=20)
    ) as producer:
        for _ in range(300):
            key = dice.choice([None, b"", b"k" * dice.choice([1, 63, 64, 200])])
            value = (
                b"" if key is None else dice.choice([None, b"", dice.randbytes(dice.choice([1, 100, 9_000, 200_000]))])
            )
            headers = [
                (f"name-{m}", dice.randbytes(dice.choice([0, 5, 100, 20_000]))) for m in range(dice.choice([0, 1, 3]))
            ]
            moment = 1_700_000_000_000 + dice.randrange(-(10**9), 10**9)
            producer.send(partition.topic, value, key, headers, partition.partition, timestamp_ms=moment)
        producer.flush()
    with (
        closing(KafkaConsumer(bootstrap_servers=kafka.address, auto_offset_reset="earliest")) as slow,
        closing(use_fast_decoder(KafkaConsumer(bootstrap_servers=kafka.address, auto_offset_reset="earliest"))) as fast,
    ):
        expected, found = taken(slow, partition, 300), taken(fast, partition, 300)
        assert found == expected
        assert fast.position(partition) == slow.position(partition) == 300
        slow.seek(partition, 157)
        fast.seek(partition, 157)
        assert taken(fast, partition, 143) == taken(slow, partition, 143) == expected[157:]


def taken(consumer: KafkaConsumer, partition: TopicPartition, count: int) -> list[tuple[object, ...]]:
    """The next records of the partition."""
    consumer.assign([partition])
    found: list[tuple[object, ...]] = []
    for _ in range(200):
        for each in consumer.poll(200, max_records=70).get(partition, ()):
            found.append((each.partition, each.offset, each.key, each.value, each.headers))
        if len(found) == count:
            break
    return found
