"""The format of private records: what the store holds, as it is, and where it stands.

A record's key is its stream's id as text, its value the stored, sealed bytes. All else is one header, `event`, a JSON
object: ten headers of their own would take producers half again as long, and consumers three times as long.

A watermark has no key, an empty value and the one header `watermark`. It says that every event up to its position that
belongs into its partition stands before it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from infra.store.partitioner import key_of

EVENT = "event"
WATERMARK = "watermark"

Header = tuple[str, bytes]
Encoded = tuple[bytes | None, bytes, list[Header]]
"""Key, value and headers."""


class EventRow(msgspec.Struct, frozen=True):
    """A row of the log as it is stored."""

    position: int
    stream_id: UUID
    version: int
    topic: str
    state: bytes
    event_id: UUID
    class_version: int
    recorded_at: datetime
    actor_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None


class EventRecord(msgspec.Struct, frozen=True):
    """A record that carries an event. `previous` is the position of the record before it in its partition; 0: none."""

    previous: int
    row: EventRow

    @property
    def position(self) -> int:
        """The event's place in the log."""
        return self.row.position


class Watermark(msgspec.Struct, frozen=True, tag=False):
    """Every event up to `position` that belongs into the partition stands before this record."""

    position: int
    previous: int


Record = EventRecord | Watermark


class ForeignRecord(ValueError):
    """A record that the relay did not write."""


class _About(msgspec.Struct, frozen=True, omit_defaults=True):
    position: int
    previous: int
    version: int
    topic: str
    class_version: int
    event_id: UUID
    recorded_at: datetime
    actor_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None


_encode = msgspec.json.Encoder().encode
_about = msgspec.json.Decoder(_About).decode
_watermark = msgspec.json.Decoder(Watermark).decode


def encode(row: EventRow, previous: int) -> Encoded:
    """The record of an event; `previous` is the position of the record before it in its partition, 0 for the first."""
    return key_of(row.stream_id), row.state, [(EVENT, about(row, previous))]


def about(row: EventRow, previous: int) -> bytes:
    """The header `event`."""
    return _encode(
        _About(
            row.position,
            previous,
            row.version,
            row.topic,
            row.class_version,
            row.event_id,
            row.recorded_at,
            row.actor_id,
            row.correlation_id,
            row.causation_id,
        )
    )


def encode_watermark(position: int, previous: int) -> Encoded:
    """The record of a watermark."""
    return None, b"", [(WATERMARK, _encode(Watermark(position, previous)))]


def decode(key: bytes | None, value: bytes | None, headers: Iterable[Header]) -> Record:
    """What a record of the private topic says.

    Raises:
        Foreign: it is none that a relay has written.
    """
    for name, content in headers:
        try:
            if name == EVENT:
                return _event(key, value, content)
            if name == WATERMARK:
                return _watermark(content)
        except (ValueError, TypeError) as error:
            raise ForeignRecord(f"a header that cannot be read ({type(error).__name__})") from None
    raise ForeignRecord("no header of ours")


def _event(key: bytes | None, value: bytes | None, content: bytes) -> EventRecord:
    if key is None or value is None:
        raise ForeignRecord("no key, or no value")
    it = _about(content)
    return EventRecord(
        it.previous,
        EventRow(
            it.position,
            UUID(key.decode()),
            it.version,
            it.topic,
            value,
            it.event_id,
            it.class_version,
            it.recorded_at,
            it.actor_id,
            it.correlation_id,
            it.causation_id,
        ),
    )


def decode_record(record: Any) -> Record:
    """The same for a consumer's record as kafka-python gives it.

    Raises:
        Foreign: as `decode`.
    """
    return decode(record.key, record.value, record.headers)
