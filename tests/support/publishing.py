"""Publishes a log to the private topic in the relay's format, with faults where a test wants them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from infra.kafka.client.record_format import EventRow, encode, encode_watermark
from infra.kafka.client.topics import Topics, create_missing
from infra.store.log_rows import EVENT_COLUMNS
from infra.store.partitioner import partition_of

ROWS = f"SELECT {EVENT_COLUMNS} FROM stored_events WHERE notification_id > %s ORDER BY notification_id"


@contextmanager
def publishing(servers: str, topics: Topics, admin_url: str) -> Iterator["Publisher"]:
    """A publisher, closed at the end."""
    publisher = Publisher(servers, topics, admin_url)
    try:
        yield publisher
    finally:
        publisher.close()


class Publisher:
    """Publishes the log of a database to the private topic."""

    def __init__(self, servers: str, topics: Topics, admin_url: str) -> None:
        self.servers = servers
        self.topics = topics
        self._url = admin_url
        with KafkaAdminClient(bootstrap_servers=servers) as admin:
            create_missing(admin, topics, [topics.internal])
        self._producer = KafkaProducer(bootstrap_servers=servers, linger_ms=5, batch_size=262_144)
        self._last: defaultdict[int, int] = defaultdict(int)
        self._position = 0
        self._garbled: set[int] = set()

    def publish(self, lost: Iterable[int] = (), *, watermarks: bool = True) -> int:
        """Publish the events that were appended since the last call. Returns the last position.

        `lost`: positions that are not published, though later records name them as previous.
        """
        lost = set(lost)
        with psycopg.connect(self._url) as connection:
            for row in connection.execute(ROWS, [self._position]).fetchall():
                stored = EventRow(*row)
                partition = self.partition_of(stored.stream_id)
                key, value, headers = encode(stored, self._last[partition])
                if stored.position not in lost:
                    self._send(partition, key, b"garbled" if stored.position in self._garbled else value, headers)
                self._last[partition] = self._position = stored.position
        if watermarks:
            for partition in range(self.topics.partitions):
                if self._last[partition] < self._position:
                    self._send(partition, *encode_watermark(self._position, self._last[partition]))
                    self._last[partition] = self._position
        self._producer.flush()
        return self._position

    def again(self, position: int) -> None:
        """Publish again from `position` on, as a relay does that did not get the acknowledgement."""
        self._position = position - 1
        self._last = defaultdict(int, {n: min(at, position - 1) for n, at in self._last.items()})

    def garble(self, position: int) -> None:
        """Publish that event with a value that cannot be decoded."""
        self._garbled.add(position)

    def garbage(self, partition: int, value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        """Publish a foreign record."""
        self._send(partition, key, value, headers)
        self._producer.flush()

    def partition_of(self, stream_id: UUID) -> int:
        """The partition of a stream."""
        return partition_of(str(stream_id).encode(), self.topics.partitions)

    def consumer(self, **settings: Any) -> KafkaConsumer:
        """A consumer of this broker."""
        return KafkaConsumer(bootstrap_servers=self.servers, **settings)

    def close(self) -> None:
        """Close the producer."""
        self._producer.close()

    def _send(self, partition: int, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        self._producer.send(self.topics.internal, value, key, headers, partition)
