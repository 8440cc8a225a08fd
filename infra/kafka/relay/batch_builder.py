"""Makes batches of records from rows of the log: private ones as they are, public ones by the contract's mapping."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import structlog
from kafka import TopicPartition
from prometheus_client import Counter

from adapters.integration_events.cloudevents import CloudEvents, PublicRecord
from application.ports import RecordedEvent
from infra.kafka.client import record_format
from infra.kafka.client.batch_producer import NO_KEY, RecordBatch, encode_headers, with_length
from infra.kafka.client.record_format import EventRow
from infra.kafka.client.topics import AGGREGATES, Topics
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.sealing.keyring import DataKey, Keys
from infra.store.codec import PartlyDecoded, decode_clear, subjects_in, unseal
from infra.store.partitioner import key_of, partition_of

KEPT_HOMES = 100_000

log = structlog.get_logger(__name__)

skipped_counter = Counter(
    "palimpsest_relay_skipped", "Events left out of the public topics, as they could not be read or mapped"
)


KeysOf = Callable[[Iterable[UUID]], Keys]
"""Finds the data keys of subjects."""


class KeyNotOpened(Exception):
    """The key that sealed these bytes is there, and cannot be unwrapped."""


class UnopenedKey(DataKey):
    """Stands for such a key: what it has sealed is not erased, but cannot be read."""

    __slots__ = ()

    def __init__(self) -> None:
        """Without a key there is nothing to prepare."""

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Nothing.

        Raises:
            KeyNotOpened: always.
        """
        raise KeyNotOpened


class BatchBuilder:
    """Turns rows into batches, and leaves out what is there already: `ends` must have all places of the topics."""

    def __init__(
        self, topics: Topics, ends: Mapping[TopicPartition, PartitionEnd], contract: CloudEvents, keys_of: KeysOf
    ) -> None:
        self._partitions = topics.partitions
        self._contract = contract
        self._keys_of = keys_of
        self._internal = topics.internal
        self._public = {aggregate: topics.public(aggregate) for aggregate in AGGREGATES}
        self._held = {place: end.position for place, end in ends.items()}
        self._last = [ends[topics.internal, partition].last for partition in range(topics.partitions)]
        self._homes: dict[UUID, tuple[int, bytes]] = {}

    def take(self, rows: Sequence[EventRow]) -> dict[TopicPartition, RecordBatch]:
        """The batches of the next rows of the log."""
        if len(self._homes) >= KEPT_HOMES:
            self._homes.clear()
        batches: dict[TopicPartition, RecordBatch] = defaultdict(RecordBatch)
        self._take_private(rows, batches)
        self._take_public(rows, batches)
        return batches

    def _take_private(self, rows: Sequence[EventRow], batches: dict[TopicPartition, RecordBatch]) -> None:
        held, last, internal = self._held, self._last, self._internal
        for row in rows:
            partition, key = self._homes.get(row.stream_id) or self._home(row.stream_id)
            place = (internal, partition)
            if row.position > held[place]:
                headers = b"\x02\x0aevent" + with_length(record_format.about(row, last[partition]))
                batches[place].add(_milliseconds(row), key, row.state, headers)
                last[partition] = row.position

    def _take_public(self, rows: Sequence[EventRow], batches: dict[TopicPartition, RecordBatch]) -> None:
        read = [(row, place, *self._begun(row)) for row in rows if (place := self._public_place(row))]
        keys = self._keys_of({subject.int: subject for _, _, _, subjects in read for subject in subjects}.values())
        for row, place, begun, _ in read:
            record = None if begun is None else self._mapped(row, begun, keys)
            if record is not None:
                key = self._homes[row.stream_id][1]
                batches[place].add(_milliseconds(row), key, record.value, encode_headers(record.headers))

    def _public_place(self, row: EventRow) -> TopicPartition | None:
        """Where the row's event belongs, if it is not there yet."""
        topic = self._public.get(row.topic.partition(".")[0])
        if topic is None:
            return None
        place = (topic, self._homes[row.stream_id][0])
        return place if row.position > self._held[place] else None

    @staticmethod
    def _begun(row: EventRow) -> tuple[PartlyDecoded | None, Iterable[UUID]]:
        """The event as far as it can be read without keys, and whose keys it takes."""
        try:
            begun = decode_clear(row.topic, row.state, row.stream_id)
            return begun, subjects_in([begun])
        except Exception as error:
            _leave_out(row, error)
            return None, ()

    def _mapped(self, row: EventRow, begun: PartlyDecoded, keys: Keys) -> PublicRecord | None:
        try:
            [event] = unseal([begun], [row.version], keys)
            recorded = RecordedEvent(
                row.position, row.stream_id, row.version, row.topic, row.recorded_at, row.actor_id, event
            )
            return self._contract.public_record(recorded, row.event_id, row.correlation_id, row.causation_id)
        except Exception as error:
            _leave_out(row, error)
            return None

    def mark(self, batches: dict[TopicPartition, RecordBatch], position: int, moment: int) -> None:
        """Add a watermark wherever the last record has an earlier position, all before `position` having been taken."""
        for partition, previous in enumerate(self._last):
            place = (self._internal, partition)
            if max(previous, self._held[place]) < position:
                _, value, headers = record_format.encode_watermark(position, previous)
                batches.setdefault(place, RecordBatch()).add(moment, NO_KEY, value, encode_headers(headers))
                self._last[partition] = position

    def _home(self, stream_id: UUID) -> tuple[int, bytes]:
        key = key_of(stream_id)
        home = self._homes[stream_id] = partition_of(key, self._partitions), with_length(key)
        return home


def _milliseconds(row: EventRow) -> int:
    return int(row.recorded_at.timestamp() * 1000)


def _leave_out(row: EventRow, error: Exception) -> None:
    """Whatever is wrong with one event must not keep the others back."""
    skipped_counter.inc()
    log.error(
        "event left out of the public topics",
        position=row.position,
        event_topic=row.topic,
        error=type(error).__name__,
    )
