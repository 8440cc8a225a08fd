"""Partitioner: the partition of a stream, the same in Kafka's topics and in the checkpoints of projections."""

import struct
from functools import lru_cache
from uuid import UUID

_WORDS = struct.Struct("<9i")


def key_of(stream_id: UUID) -> bytes:
    """The key of all records of a stream, in every topic: its id as text, 36 bytes."""
    return str(stream_id).encode()


def stream_of(key: bytes | None) -> UUID | None:
    """The stream whose records have this key; None if it is no key of ours."""
    try:
        stream_id = UUID((key or b"").decode())
    except ValueError:
        return None
    return stream_id if key_of(stream_id) == key else None


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition, from 0 to `partitions` - 1, of the stream whose key (36 bytes) is `key`.

    MurmurHash2 as in `org.apache.kafka.common.utils.Utils`, for nine words and no remainder, so Kafka's own clients
    choose the same partition.
    """
    value = 0x9747B28C ^ 36
    for word in _WORDS.unpack(key):
        mixed = (word * 0x5BD1E995) & 0xFFFFFFFF
        mixed = ((mixed ^ (mixed >> 24)) * 0x5BD1E995) & 0xFFFFFFFF
        value = ((value * 0x5BD1E995) & 0xFFFFFFFF) ^ mixed
    value = ((value ^ (value >> 13)) * 0x5BD1E995) & 0xFFFFFFFF
    return ((value ^ (value >> 15)) & 0x7FFFFFFF) % partitions
