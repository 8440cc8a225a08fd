"""Reads topics from end to end: each partition in its order, all partitions together in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Generic, Protocol, TypeVar

from kafka import KafkaConsumer, TopicPartition

from application.ports import Unavailable
from infra.kafka.client.offset_search import find
from infra.kafka.client.record_position import PositionOf

POLL_MS = 200
MAX_POLL_RECORDS = 5_000
BROKER_TIMEOUT_SECONDS = 30
"""A broker that has records and returns none for this long is unavailable."""
RETRY_SECONDS = 0.1
MAX_BUFFERED = 10_000
"""Records of one partition that are kept while other partitions are read."""


class TopicRecord(Protocol):
    """A record as kafka-python's consumer returns it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def attempts(timeout: float) -> Iterator[None]:
    """Yield once at once, then every `RETRY_SECONDS` until `timeout` seconds have passed."""
    deadline = monotonic() + timeout
    yield
    while monotonic() < deadline:
        sleep(RETRY_SECONDS)
        yield


def partitions_of(consumer: KafkaConsumer, topics: Sequence[str], timeout: float = 0.0) -> list[TopicPartition]:
    """The existing partitions of the topics. Waits at most `timeout` seconds for topics that do not exist."""
    found: dict[str, list[int]] = {}
    for _ in attempts(timeout):
        found = {topic: sorted(consumer.partitions_for_topic(topic) or ()) for topic in topics}
        if all(found.values()):
            break
    return [TopicPartition(topic, number) for topic, numbers in found.items() for number in numbers]


def beginning_offsets(consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The first offset of each partition. Raises `Unavailable`."""
    return _query_offsets(consumer.beginning_offsets, partitions)


def end_offsets(consumer: KafkaConsumer, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset after the last record of each partition. Raises `Unavailable`."""
    return _query_offsets(consumer.end_offsets, partitions)


def _query_offsets(
    query: Callable[[Sequence[TopicPartition]], dict[TopicPartition, int]], partitions: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    # kafka-python raises KeyError for a partition whose leader it does not know yet.
    deadline = monotonic() + BROKER_TIMEOUT_SECONDS
    while monotonic() < deadline:
        with suppress(KeyError):
            return query(partitions)
        sleep(0.05)
    raise Unavailable("Kafka")


def seek_to_position(
    consumer: KafkaConsumer, partitions: Sequence[TopicPartition], first: int, position_of: PositionOf
) -> None:
    """Assign the partitions and seek in each to its first record of position `first` or later, or before that record.

    Raises:
        Unavailable: the broker returns no records.
    """
    offsets = beginning_offsets(consumer, partitions)
    try:
        for partition in partitions if first > 1 else ():
            consumer.assign([partition])
            offsets[partition] = find(consumer, partition, first - 1, position_of, BROKER_TIMEOUT_SECONDS)
    except TimeoutError:
        raise Unavailable("Kafka") from None
    consumer.assign(partitions)
    for partition, offset in offsets.items():
        consumer.seek(partition, offset)


def read_until(
    consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]
) -> Iterator[dict[TopicPartition, list[TopicRecord]]]:
    """Poll until each partition has been read up to its end offset.

    Raises:
        Unavailable: the broker returns no more records.
    """
    received_at = monotonic()
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        if records := consumer.poll(POLL_MS, max_records=MAX_POLL_RECORDS):
            received_at = monotonic()
            yield records
        elif monotonic() - received_at > BROKER_TIMEOUT_SECONDS:
            raise Unavailable("Kafka")


class HasPosition(Protocol):
    """A record as the caller of `OrderedReader` keeps it."""

    @property
    def position(self) -> int | None:
        """The log position of the record's event; None if it has none."""


P = TypeVar("P", bound=HasPosition)


class OrderedReader(Generic[P]):
    """Reads the records of several partitions by log position. Call `seek_to_position` on the consumer before.

    `convert` makes of each record what the reader keeps and returns. `ends` are the end offsets at the last call of
    `refresh_ends`; records that arrive later are read after the next call.
    """

    def __init__(self, consumer: KafkaConsumer, convert: Callable[[TopicRecord], P]) -> None:
        self._consumer = consumer
        self._convert = convert
        self.partitions: list[TopicPartition] = sorted(consumer.assignment())
        self._buffers: dict[TopicPartition, deque[P]] = {partition: deque() for partition in self.partitions}
        self._next: dict[TopicPartition, int] = {each: consumer.position(each) for each in self.partitions}
        self._active = set(self.partitions)
        self._received_at = monotonic()
        self.ends: dict[TopicPartition, int] = {}
        self.refresh_ends()

    def refresh_ends(self) -> None:
        """Query the current end offsets."""
        self.ends = end_offsets(self._consumer, self.partitions)

    def read_to_position(self, last: int | None = None) -> Iterator[tuple[TopicPartition, P]]:
        """The records up to position `last`, or up to the ends; those of each partition in order.

        A record of a later position stops its partition; a record without a position does not.

        Raises:
            Unavailable: the broker returns no more records.
        """
        pending = set(self.partitions)
        self._received_at = monotonic()
        while pending:
            for partition in sorted(pending):
                buffer = self._buffers[partition]
                while buffer and (last is None or (buffer[0].position or 0) <= last):
                    yield partition, buffer.popleft()
                if buffer or self._next[partition] >= self.ends[partition]:
                    pending.discard(partition)
            if pending:
                self._fetch(pending)

    def read_rest(self, partition: TopicPartition) -> Iterator[P]:
        """The remaining records of one partition, up to its end. The other partitions cannot be read afterwards."""
        self._received_at = monotonic()
        yield from self._buffers[partition]
        self._assign({partition})
        while self._next[partition] < self.ends[partition]:
            yield from map(self._convert, self._poll().get(partition, ()))

    def _fetch(self, pending: set[TopicPartition]) -> None:
        full = {each for each in self._active - pending if len(self._buffers[each]) > MAX_BUFFERED}
        if full or not pending <= self._active:
            self._assign(pending)
        for partition, records in self._poll().items():
            self._buffers[partition].extend(map(self._convert, records))

    def _assign(self, partitions: set[TopicPartition]) -> None:
        """Read these partitions alone for now.

        Pausing the others does not work: kafka-python 3.0.12 never returns records that it had fetched of a partition
        which is then paused and resumed.
        """
        self._consumer.assign(sorted(partitions))
        for partition in partitions:
            self._consumer.seek(partition, self._next[partition])
        self._active = set(partitions)

    def _poll(self) -> dict[TopicPartition, list[TopicRecord]]:
        records: dict[TopicPartition, list[TopicRecord]] = self._consumer.poll(POLL_MS, max_records=MAX_POLL_RECORDS)
        for partition in self._active:
            self._next[partition] = self._consumer.position(partition)
        if records:
            self._received_at = monotonic()
        elif monotonic() - self._received_at > BROKER_TIMEOUT_SECONDS:
            raise Unavailable("Kafka")
        return records


def headers_of(record: TopicRecord) -> dict[str, str]:
    """The headers as text; the last value of a repeated name."""
    return {name: value.decode(errors="replace") for name, value in record.headers if value is not None}
