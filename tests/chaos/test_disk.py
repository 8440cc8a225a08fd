"""A full disk is full, with and without root's help, and a broker gets over it."""

import os
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from infra.local.servers.kafka import EmbeddedKafka
from infra.local.servers.process import free_port
from tests.chaos.disk import clear, fill, small_disk
from tests.support.kafka import KafkaForTests
from tests.support.servers import open_folder

PLACE = TopicPartition("kept", 0)


@pytest.fixture(params=["small disk", "limit"])
def broker(request: pytest.FixtureRequest) -> Iterator[EmbeddedKafka]:
    """One on a disk of its own, or one whose files may be limited."""
    with open_folder() as folder:
        place = folder / "kafka"
        with small_disk(place) if request.param == "small disk" else nullcontext():
            opened = KafkaForTests(place, port=free_port(), megabytes=256)
            opened.start()
            try:
                yield opened
            finally:
                opened.kill()


def write(broker: EmbeddedKafka, *values: bytes) -> None:
    patience = {"delivery_timeout_ms": 6000, "request_timeout_ms": 3000, "max_block_ms": 6000}
    with closing(KafkaProducer(bootstrap_servers=broker.address, **patience)) as producer:
        for value in values:
            producer.send(PLACE.topic, value).get(10)


@pytest.mark.chaos
def test_a_broker_whose_disk_is_full_takes_nothing_and_keeps_what_it_had(broker: EmbeddedKafka) -> None:
    with closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        admin.create_topics({PLACE.topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    write(broker, b"before")
    assert broker.pid
    fill(broker.folder, broker.pid)
    with pytest.raises(KafkaError):
        write(broker, *[os.urandom(500_000)] * 40)
    clear(broker.folder, broker.pid)
    if not broker.alive():
        broker.start()
    write(broker, b"after")
    assert values(broker)[:1] == [b"before"]
    assert values(broker)[-1:] == [b"after"]


def values(broker: EmbeddedKafka) -> list[bytes]:
    found: list[bytes] = []
    with closing(KafkaConsumer(bootstrap_servers=broker.address, group_id=None)) as consumer:
        consumer.assign([PLACE])
        consumer.seek_to_beginning(PLACE)
        end = consumer.end_offsets([PLACE])[PLACE]
        while consumer.position(PLACE) < end:
            found += [record.value for records in consumer.poll(200).values() for record in records]
    return found


def test_room_is_made_even_if_the_process_has_ended(tmp_path: Path) -> None:
    clear(tmp_path, 2**22 + 1)
    assert list(tmp_path.iterdir()) == []
