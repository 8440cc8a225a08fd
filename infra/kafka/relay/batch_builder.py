"""Builds record batches from rows of the log: private records as stored, public ones by the contract's mapping."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import structlog
from kafka import TopicPartition
from prometheus_client import Counter

from adapters.integration_events.cloudevents import CloudEvents, PublicRecord
from application.ports import RecordedEvent
from infra.kafka.client import record_format
from infra.kafka.client.record_batch import NO_KEY, RecordBatch, encode_headers, with_length
from infra.kafka.client.record_format import EventRow
from infra.kafka.client.topics import AGGREGATES, Topics
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.sealing.damage import report_damage
from infra.sealing.keyring import Keys
from infra.sealing.store_keys import Damage, StoreKeys
from infra.store.codec import PartlyDecoded, decode_clear, subjects_in, unseal
from infra.store.event_bytes import metadata_of
from infra.store.partitioner import key_of, partition_of

MAX_CACHED_STREAMS = 100_000

log = structlog.get_logger(__name__)

skipped_counter = Counter(
    "palimpsest_relay_skipped", "Events left out of the public topics, as they could not be read or mapped"
)


KeysOf = Callable[[Iterable[UUID]], Keys]
"""Loads the data keys of subjects."""


class BatchBuilder:
    """Builds batches, without events that a partition already has. `ends` must have all partitions of the topics."""

    def __init__(
        self,
        topics: Topics,
        ends: Mapping[TopicPartition, PartitionEnd],
        contract: CloudEvents,
        keys_of: KeysOf,
        stamps: StoreKeys,
    ) -> None:
        self._partitions = topics.partitions
        self._contract = contract
        self._keys_of = keys_of
        self._stamps = stamps
        self._internal = topics.internal
        self._public = {aggregate: topics.public(aggregate) for aggregate in AGGREGATES}
        self._positions = {partition: end.position for partition, end in ends.items()}
        self._last = [ends[topics.internal, partition].last for partition in range(topics.partitions)]
        self._streams: dict[UUID, tuple[int, bytes]] = {}

    def build(self, rows: Sequence[EventRow]) -> dict[TopicPartition, RecordBatch]:
        """Build the batches of the next rows of the log."""
        if len(self._streams) >= MAX_CACHED_STREAMS:
            self._streams.clear()
        batches: dict[TopicPartition, RecordBatch] = defaultdict(RecordBatch)
        self._add_private(rows, batches)
        self._add_public(rows, batches)
        return batches

    def _add_private(self, rows: Sequence[EventRow], batches: dict[TopicPartition, RecordBatch]) -> None:
        positions, last, internal = self._positions, self._last, self._internal
        for row in rows:
            number, key = self._streams.get(row.stream_id) or self._add_stream(row.stream_id)
            partition = (internal, number)
            if row.position > positions[partition]:
                # One header, named `event`, as `encode_headers` would encode it.
                headers = b"\x02\x0aevent" + with_length(record_format.encode_event_header(row, last[number]))
                batches[partition].add(_milliseconds(row), key, row.state, headers)
                last[number] = row.position

    def _add_public(self, rows: Sequence[EventRow], batches: dict[TopicPartition, RecordBatch]) -> None:
        read = [(row, each, *self._decode_clear(row)) for row in rows if (each := self._public_partition(row))]
        keys = self._keys_of({subject.int: subject for _, _, _, subjects in read for subject in subjects}.values())
        for row, partition, partly, _ in read:
            record = None if partly is None else self._map(row, partly, keys)
            if record is not None:
                key = self._streams[row.stream_id][1]
                batches[partition].add(_milliseconds(row), key, record.value, encode_headers(record.headers))

    def _public_partition(self, row: EventRow) -> TopicPartition | None:
        """The public partition of the row's event; None if it has none, or already has the event."""
        topic = self._public.get(row.topic.partition(".")[0])
        if topic is None:
            return None
        partition = (topic, self._streams[row.stream_id][0])
        return partition if row.position > self._positions[partition] else None

    def _decode_clear(self, row: EventRow) -> tuple[PartlyDecoded | None, Iterable[UUID]]:
        """The event's clear fields, and the subjects whose keys open the others."""
        try:
            partly = decode_clear(row.topic, row.state, row.stream_id, row.version, self._stamps, row.position)
            return partly, subjects_in([partly])
        except Exception as error:
            _skip(row, error)
            return None, ()

    def _map(self, row: EventRow, partly: PartlyDecoded, keys: Keys) -> PublicRecord | None:
        try:
            [event] = unseal([partly], keys)
            about = metadata_of(row.state)
            recorded = RecordedEvent(
                row.position, row.stream_id, row.version, row.topic, row.recorded_at, about.actor_id, event
            )
            return self._contract.public_record(recorded, about.event_id, about.correlation_id, about.causation_id)
        except Exception as error:
            _skip(row, error)
            return None

    def add_watermarks(self, batches: dict[TopicPartition, RecordBatch], position: int, timestamp: int) -> None:
        """Add a watermark to each partition whose last record is before `position`.

        Every event up to `position` must have been built. `timestamp`: milliseconds.
        """
        for number, previous in enumerate(self._last):
            partition = (self._internal, number)
            if max(previous, self._positions[partition]) < position:
                _, value, headers = record_format.encode_watermark(position, previous)
                batches.setdefault(partition, RecordBatch()).add(timestamp, NO_KEY, value, encode_headers(headers))
                self._last[number] = position

    def _add_stream(self, stream_id: UUID) -> tuple[int, bytes]:
        """Cache the number of a stream's partition and its encoded key."""
        key = key_of(stream_id)
        cached = self._streams[stream_id] = partition_of(key, self._partitions), with_length(key)
        return cached


def _milliseconds(row: EventRow) -> int:
    return int(row.recorded_at.timestamp() * 1000)


def _skip(row: EventRow, error: Exception) -> None:
    """Count and log an event that cannot be published. It must not stop the others."""
    if isinstance(error, Damage):
        report_damage("event", position=row.position, reason=str(error))
    skipped_counter.inc()
    log.error(
        "event left out of the public topics",
        position=row.position,
        event_topic=row.topic,
        error=type(error).__name__,
    )
