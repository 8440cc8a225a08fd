"""Encodes records into batches of Kafka's record format 2 (KIP-98), without kafka-python."""

from collections.abc import Mapping, Sequence

from kafka import TopicPartition


def _varint(number: int) -> bytes:
    """Encode zigzag, then seven bits a byte, the lowest first."""
    rest = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while rest > 0x7F:
        encoded.append(0x80 | (rest & 0x7F))
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


CACHED_NUMBERS = 8192
_CACHED = [_varint(number) for number in range(CACHED_NUMBERS)]


def varint(number: int) -> bytes:
    """Encode a number as Kafka's records do."""
    return _CACHED[number] if 0 <= number < CACHED_NUMBERS else _varint(number)


def with_length(content: bytes) -> bytes:
    """Prefix the content with its length."""
    return varint(len(content)) + content


NO_KEY = varint(-1)
_name_prefixes: dict[str, bytes] = {}


def encode_headers(headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Encode the headers of a record: their number, then each name and value after its length."""
    parts = [_CACHED[len(headers)]]
    for name, value in headers:
        prefix = _name_prefixes.get(name)
        if prefix is None:
            prefix = _name_prefixes[name] = with_length(name.encode())
        size = len(value)
        parts += (prefix, _CACHED[size] if size < CACHED_NUMBERS else _varint(size), value)
    return b"".join(parts)


class RecordBatch:
    """Encoded records of one partition, in order. `first` and `newest`: timestamps in milliseconds."""

    __slots__ = ("count", "first", "newest", "parts")

    def __init__(self) -> None:
        self.count = 0
        self.first = 0
        self.newest = 0
        self.parts: list[bytes] = []

    def add(self, timestamp: int, key: bytes, value: bytes | None, headers: bytes) -> None:
        """Add a record. `timestamp`: milliseconds; `key` and `headers`: encoded, each after its length."""
        if not self.count:
            self.first = self.newest = timestamp
        elif timestamp > self.newest:
            self.newest = timestamp
        size = NO_KEY if value is None else varint(len(value))
        record = b"".join((b"\0", varint(timestamp - self.first), varint(self.count), key, size, value or b"", headers))
        self.count += 1
        self.parts.append(varint(len(record)))
        self.parts.append(record)


Batches = Mapping[TopicPartition, RecordBatch]
