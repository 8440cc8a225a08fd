"""The leaf of the audit tree for an event: a small record of everything that is stored of it.

    format 1 | position 8 | microseconds since 1970, when it was recorded, 8 | stream id 16 | version 8
    | length of the topic 2 | topic | SHA-256 of the bytes of the event 32

Numbers are big-endian. The metadata is within the bytes of the event. A log can be kept and checked with leaves alone,
without any event. An entry of a tlog-tiles log has at most 65,535 bytes; a leaf has 75 and the topic.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from infra.sealing.store_keys import FORMAT

DIGEST_BYTES = 32
MAX_TOPIC_BYTES = 65_535 - 75

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MICROSECONDS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


class NoLeaf(Exception):
    """An event has a value that no program of ours stores, so it has no leaf. The message says which."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def leaf(position: int, stream_id: UUID, version: int, topic: str, state: bytes, recorded_at: datetime) -> bytes:
    """Return the leaf of a row of the log. The parameters are in the order of `log_rows.EVENT_COLUMNS`.

    Raises:
        NoLeaf: a number, the time or the topic does not fit the format.
    """
    name = topic.encode()
    if recorded_at < _EPOCH:
        raise NoLeaf(position, "the time of the event is not one from 1970 to 9999")
    if version < 0:
        raise NoLeaf(position, "the version of the event is negative")
    if len(name) > MAX_TOPIC_BYTES:
        raise NoLeaf(position, f"the type of the event has more than {MAX_TOPIC_BYTES} bytes")
    return b"".join(
        [
            bytes((FORMAT,)),
            position.to_bytes(8, "big"),
            ((recorded_at - _EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big"),
            stream_id.bytes,
            version.to_bytes(8, "big"),
            len(name).to_bytes(2, "big"),
            name,
            hashlib.sha256(state).digest(),
        ]
    )


class LeafContent(NamedTuple):
    """What a leaf says of an event. `digest`: SHA-256 of its stored bytes."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    digest: bytes
    recorded_at: datetime


def content_of(entry: bytes) -> LeafContent:
    """Decode a leaf.

    Raises:
        ValueError: the bytes are not those of a leaf.
    """
    topic_end = 43 + int.from_bytes(entry[41:43], "big")
    microseconds = int.from_bytes(entry[9:17], "big")
    if entry[:1] != bytes((FORMAT,)) or len(entry) != topic_end + DIGEST_BYTES:
        raise ValueError("not a leaf of the log")
    if microseconds > _MAX_MICROSECONDS:
        raise ValueError("not a time of a leaf")
    return LeafContent(
        int.from_bytes(entry[1:9], "big"),
        UUID(bytes=entry[17:33]),
        int.from_bytes(entry[33:41], "big"),
        entry[43:topic_end].decode(),
        entry[topic_end:],
        _EPOCH + timedelta(microseconds=microseconds),
    )
