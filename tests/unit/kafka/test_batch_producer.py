"""A producer knows its topics before it sends, by few questions to the broker."""

from typing import Any, cast

from kafka import KafkaProducer

from infra.kafka.client.batch_producer import BatchProducer


class Recorder:
    """Stands for kafka-python's producer and its sender, and keeps what is asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self._sender = self

    def add_topic(self, topic: str) -> None:
        self.asked.append(("add", topic))

    def partitions_for(self, topic: str) -> set[int]:
        self.asked.append(("wait", topic))
        return {0}


def test_all_topics_are_asked_for_before_one_is_waited_for() -> None:
    """A relay that took over waited a tenth of a second for each topic, one after the other."""
    producer = Recorder()
    BatchProducer(cast(KafkaProducer, cast(Any, producer)), iter(["a", "b"]))
    assert producer.asked == [("add", "a"), ("add", "b"), ("wait", "a"), ("wait", "b")]
