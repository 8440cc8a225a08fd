"""What the private topic and the public topics should hold, for the comparison with the store."""

from hashlib import blake2b
from typing import Any

from adapters.integration_events.cloudevents import CloudEvents
from adapters.integration_events.kernel import EVENTS
from application.ports import RecordedEvent
from infra.kafka.client.ordered_reader import TopicRecord
from infra.kafka.client.record_format import (
    EventRow,
    ForeignRecord,
    Watermark,
    decode_record,
    encode_event_header,
    event_id_of,
)
from infra.kafka.client.record_position import SEQUENCE, parse_sequence
from infra.kafka.reconcile.differences import SeenRecord
from infra.sealing.store_keys import StoreKeys
from infra.store.codec import decode_as_erased
from infra.store.event_bytes import metadata_of
from infra.store.partitioner import key_of

DIGEST_BYTES = 16


class PrivateTopic:
    """The private topic: every event, compared byte for byte with its metadata."""

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def contains(self, row: EventRow) -> bool:
        """Every event belongs to it."""
        return True

    def may_be_missing(self, row: EventRow) -> bool:
        """No event may be missing."""
        return False

    def digest(self, row: EventRow) -> bytes:
        """Digest of the stored bytes, the stream and the metadata, without the previous position, which may vary."""
        return _digest(encode_event_header(row, 0), row.stream_id.bytes, row.state)

    def parse(self, record: TopicRecord) -> SeenRecord:
        """Decode the record's header."""
        try:
            decoded = decode_record(record)
        except ForeignRecord:
            return SeenRecord(record.offset, None)
        if isinstance(decoded, Watermark):
            return SeenRecord(record.offset, decoded.position, previous=decoded.previous, is_watermark=True)
        return SeenRecord(record.offset, decoded.position, self.digest(decoded.row), decoded.previous)


class PublicTopic:
    """The public topic of one aggregate. Compared are the event's id, stream, version and type.

    The data is not compared: a record keeps the fields that its type had when it was published.
    """

    def __init__(self, topic: str, aggregate: str, stamps: StoreKeys) -> None:
        self.topic = topic
        self._stamps = stamps
        self._contract = CloudEvents()
        self._types = {
            source.TOPIC: versions[1][0].type().encode()  # type: ignore[attr-defined]
            for source, versions in EVENTS.items()
            if 1 in versions and versions[1][0].aggregate() == aggregate
        }

    def contains(self, row: EventRow) -> bool:
        """Events that the contract maps to the aggregate's public events belong to it."""
        return row.topic in self._types

    def may_be_missing(self, row: EventRow) -> bool:
        """An event that cannot be read or mapped cannot be published."""
        try:
            event = decode_as_erased(row.topic, row.state, row.stream_id, row.version, self._stamps, row.position)
            recorded = RecordedEvent(row.position, row.stream_id, row.version, row.topic, row.recorded_at, None, event)
            return self._contract.public_record(recorded, metadata_of(row.state).event_id) is None
        except Exception:
            return True

    def digest(self, row: EventRow) -> bytes:
        """Digest of stream id, event id, version and type. No record has that of a damaged event."""
        event_id = event_id_of(row)
        if event_id is None:
            return b""
        return _digest(key_of(row.stream_id), str(event_id).encode(), b"%d" % row.version, self._types[row.topic])

    def parse(self, record: TopicRecord) -> SeenRecord:
        """Read the record's CloudEvents attributes."""
        headers: dict[str, Any] = dict(record.headers)
        id, version, type = (headers.get(f"ce_{name}") or b"" for name in ("id", "streamversion", "type"))
        return SeenRecord(record.offset, position_in(headers), _digest(record.key or b"", id, version, type))


def position_in(headers: dict[str, bytes]) -> int | None:
    """The log position in CloudEvents attributes."""
    return parse_sequence(headers.get(SEQUENCE))


def _digest(*parts: bytes) -> bytes:
    return blake2b(b"\0".join(parts), digest_size=DIGEST_BYTES).digest()
