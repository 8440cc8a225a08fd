"""The format of private records: the stored event as it is, and its position.

The key is the stream's id as text, the value the stored, sealed bytes. All other fields are in one header, `event`, a
JSON object: with a header for each of them, producers take 1.5 times and consumers 3 times as long.

A watermark has no key, an empty value and the one header `watermark`. It guarantees that every event of its partition
up to its position comes before it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from infra.store.event_bytes import metadata_of
from infra.store.partitioner import key_of

EVENT = "event"
WATERMARK = "watermark"

Header = tuple[str, bytes]
EncodedRecord = tuple[bytes | None, bytes, list[Header]]
"""Key, value and headers."""


class EventRow(msgspec.Struct, frozen=True):
    """A row of the log as stored, in the order of `infra.store.log_rows.EVENT_COLUMNS`."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes
    recorded_at: datetime


class EventRecord(msgspec.Struct, frozen=True):
    """A record of an event. `previous`: the position of the record before it in its partition; 0 for the first."""

    previous: int
    row: EventRow

    @property
    def position(self) -> int:
        """The event's position in the log."""
        return self.row.position


class Watermark(msgspec.Struct, frozen=True, tag=False):
    """A record that guarantees: every event of its partition up to `position` comes before it."""

    position: int
    previous: int


Record = EventRecord | Watermark


class ForeignRecord(ValueError):
    """A record that the relay did not write."""


class _EventHeader(msgspec.Struct, frozen=True):
    position: int
    previous: int
    version: int
    topic: str
    recorded_at: datetime


_encode = msgspec.json.Encoder().encode
_event_header = msgspec.json.Decoder(_EventHeader).decode
_watermark = msgspec.json.Decoder(Watermark).decode


def event_id_of(row: EventRow) -> UUID | None:
    """Return the event's id; None if the stored bytes are damaged. Their stamp is not checked."""
    try:
        return metadata_of(row.state).event_id
    except Exception:
        return None


def encode(row: EventRow, previous: int) -> EncodedRecord:
    """Encode an event. `previous`: the position of the record before it in its partition; 0 for the first."""
    return key_of(row.stream_id), row.state, [(EVENT, encode_event_header(row, previous))]


def encode_event_header(row: EventRow, previous: int) -> bytes:
    """Encode the header `event`."""
    return _encode(_EventHeader(row.position, previous, row.version, row.topic, row.recorded_at))


def encode_watermark(position: int, previous: int) -> EncodedRecord:
    """Encode a watermark."""
    return None, b"", [(WATERMARK, _encode(Watermark(position, previous)))]


def decode(key: bytes | None, value: bytes | None, headers: Iterable[Header]) -> Record:
    """Decode a record of the private topic.

    Raises:
        ForeignRecord: the relay did not write it.
    """
    for name, content in headers:
        try:
            if name == EVENT:
                return _event(key, value, content)
            if name == WATERMARK:
                return _watermark(content)
        except (ValueError, TypeError) as error:
            raise ForeignRecord(f"the header cannot be decoded ({type(error).__name__})") from None
    raise ForeignRecord("no header of the relay")


def _event(key: bytes | None, value: bytes | None, content: bytes) -> EventRecord:
    if key is None or value is None:
        raise ForeignRecord("no key, or no value")
    header = _event_header(content)
    return EventRecord(
        header.previous,
        EventRow(header.position, UUID(key.decode()), header.version, header.topic, value, header.recorded_at),
    )


def decode_record(record: Any) -> Record:
    """Decode a record as kafka-python's consumer returns it.

    Raises:
        ForeignRecord: the relay did not write it.
    """
    return decode(record.key, record.value, record.headers)
