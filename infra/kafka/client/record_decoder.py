"""Records of the private topic, read in as few steps as a projector can do with: a third of what kafka-python takes.

The library's consumer makes three objects of each record and reads each length byte by byte. Its fetcher lets the class
that takes batches apart be another one; ours knows record format 2 of Kafka's protocol alone, which is what all brokers
of today keep. A test on a real broker covers what we touch of the library for it.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError

from infra.kafka.client.record_format import EVENT, WATERMARK, ForeignRecord, Header

FORMAT = 2


class ConsumerRecord(NamedTuple):
    """A record as it lies in its partition."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]


class DecodedRecord(NamedTuple):
    """A record: its event's row with the columns of `infra.store.log_rows.EVENT_COLUMNS`; None with a watermark."""

    position: int
    previous: int
    row: tuple[Any, ...] | None


class _Event(msgspec.Struct):
    position: int
    previous: int
    version: int
    topic: str
    recorded_at: datetime
    actor_id: UUID | None = None


class _Watermark(msgspec.Struct):
    position: int
    previous: int


_event = msgspec.json.Decoder(_Event).decode
_watermark = msgspec.json.Decoder(_Watermark).decode


def read(record: ConsumerRecord) -> DecodedRecord:
    """What the record says, as far as read models need it (`infra/kafka/client/record_format.py` has the format).

    Raises:
        Foreign: no relay has written it.
    """
    _, _, key, value, headers = record
    try:
        for name, content in headers:
            if name == EVENT:
                if key is None or value is None:
                    raise ForeignRecord("no key, or no value")
                it = _event(content)
                row = (it.position, _stream(key), it.version, it.topic, value, it.recorded_at, it.actor_id)
                return DecodedRecord(it.position, it.previous, row)
            if name == WATERMARK:
                mark = _watermark(content)
                return DecodedRecord(mark.position, mark.previous, None)
    except (ValueError, TypeError) as error:
        raise ForeignRecord(f"what cannot be read ({type(error).__name__})") from None
    raise ForeignRecord("no header of ours")


@lru_cache(maxsize=20_000)
def _stream(key: bytes) -> UUID:
    return UUID(key.decode())


def read_swiftly(consumer: KafkaConsumer) -> KafkaConsumer:
    """Have the consumer hand out `ConsumerRecord`s."""
    consumer._fetcher.PartitionRecords = _Batches
    return consumer


class _Batches(Fetcher.PartitionRecords):  # type: ignore[misc]
    def _unpack_records(self, tp: TopicPartition, records: Any, *_: object) -> Iterator[ConsumerRecord]:
        batch = None
        while following := records.next_batch():
            batch = following
            if batch.magic != FORMAT or (self.check_crcs and not batch.validate_crc()):
                raise CorruptRecordError(f"batch of {tp} at offset {batch.base_offset}")
            self.leader_epoch = batch.leader_epoch
            if not batch.is_control_batch:
                batch._maybe_uncompress()
                for record in _parsed(tp.partition, batch.base_offset, bytes(batch._buffer), batch._pos):
                    self.next_fetch_offset = record.offset + 1
                    yield record
            self.next_fetch_offset = batch.next_offset
        self.drain()


def _parsed(partition: int, base: int, data: bytes, at: int) -> Iterator[ConsumerRecord]:
    """The records of a batch, which begin at `at`: length, attributes, time, offset, key, value, headers."""
    while at < len(data):
        _, at = _number(data, at)
        _, at = _number(data, at + 1)
        offset, at = _number(data, at)
        key, at = _content(data, at)
        value, at = _content(data, at)
        count, at = _number(data, at)
        headers = []
        for _ in range(count):
            name, at = _content(data, at)
            content, at = _content(data, at)
            headers.append((_text(name or b""), content or b""))
        yield ConsumerRecord(partition, base + offset, key, value, headers)


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends: seven bits a byte, the lowest first, zigzag."""
    bits = data[at]
    at += 1
    if bits > 0x7F:
        bits &= 0x7F
        shift = 7
        while (byte := data[at]) > 0x7F:
            bits |= (byte & 0x7F) << shift
            shift += 7
            at += 1
        bits |= byte << shift
        at += 1
    return (bits >> 1) ^ -(bits & 1), at


def _content(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _number(data, at)
    if length < 0:
        return None, at
    return data[at : at + length], at + length


@lru_cache(maxsize=100)
def _text(name: bytes) -> str:
    return name.decode(errors="replace")
