"""The topics of events as they are compared with the store."""

from hashlib import blake2b
from typing import Any

from adapters.integration_events.cloudevents import CloudEvents
from adapters.integration_events.kernel import EVENTS
from application.ports import RecordedEvent
from infra.kafka.client.ordered_reader import TopicRecord
from infra.kafka.client.record_format import EventRow, ForeignRecord, Watermark, about, decode_record
from infra.kafka.reconcile.differences import SeenRecord
from infra.kafka.relay.checkpoints import SEQUENCE, sequence_of
from infra.store.codec import decode
from infra.store.partitioner import key_of

DIGEST_BYTES = 16


class PrivateTopic:
    """Every event, byte for byte and with all that is known about it."""

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def holds(self, row: EventRow) -> bool:
        """All belong here."""
        return True

    def excuses(self, row: EventRow) -> bool:
        """None may be missing."""
        return False

    def digest(self, row: EventRow) -> bytes:
        """Of the stored bytes, the stream, and the metadata but for the position before it, which depends."""
        return _digest(about(row, 0), row.stream_id.bytes, row.state)

    def find(self, record: TopicRecord) -> SeenRecord:
        """What the record's header says."""
        try:
            read = decode_record(record)
        except ForeignRecord:
            return SeenRecord(record.offset, None)
        if isinstance(read, Watermark):
            return SeenRecord(record.offset, read.position, previous=read.previous, is_watermark=True)
        return SeenRecord(record.offset, read.position, self.digest(read.row), read.previous)


class PublicTopic:
    """The events of one aggregate that are published: which event, of which stream and version, under which type.

    Not compared is what was said about it: a length that was published once is forgotten when the text is erased.
    """

    def __init__(self, topic: str, aggregate: str) -> None:
        self.topic = topic
        self._contract = CloudEvents()
        self._types = {
            source.TOPIC: versions[1][0].type().encode()  # type: ignore[attr-defined]
            for source, versions in EVENTS.items()
            if 1 in versions and versions[1][0].aggregate() == aggregate
        }

    def holds(self, row: EventRow) -> bool:
        """Those that are mapped to the aggregate's events."""
        return row.topic in self._types

    def excuses(self, row: EventRow) -> bool:
        """What cannot be read or mapped cannot be published."""
        try:
            event = decode(row.topic, row.state, row.stream_id, row.version, {})
            known = RecordedEvent(row.position, row.stream_id, row.version, row.topic, row.recorded_at, None, event)
            return self._contract.public_record(known, row.event_id) is None
        except Exception:
            return True

    def digest(self, row: EventRow) -> bytes:
        """Of its ids, its version and its type."""
        return _digest(key_of(row.stream_id), str(row.event_id).encode(), b"%d" % row.version, self._types[row.topic])

    def find(self, record: TopicRecord) -> SeenRecord:
        """What the record's CloudEvents attributes say."""
        headers: dict[str, Any] = dict(record.headers)
        id, version, type = (headers.get(f"ce_{name}") or b"" for name in ("id", "streamversion", "type"))
        return SeenRecord(record.offset, sequence(headers), _digest(record.key or b"", id, version, type))


def sequence(headers: dict[str, bytes]) -> int | None:
    """The position that CloudEvents attributes name."""
    return sequence_of(headers.get(SEQUENCE))


def _digest(*parts: bytes) -> bytes:
    return blake2b(b"\0".join(parts), digest_size=DIGEST_BYTES).digest()
