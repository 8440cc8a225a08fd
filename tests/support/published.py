"""The records that a log should have in the topics, to be sent with faults."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from adapters.integration_events.cloudevents import CloudEvents
from application.ports import RecordedEvent
from infra.kafka.client import record_format
from infra.kafka.client.record_format import EventRow
from infra.kafka.client.topics import Topics, create_missing
from infra.kafka.reconcile.state_comparison import FindClosed
from infra.store.codec import decode_as_erased
from infra.store.event_bytes import metadata_of
from infra.store.log_rows import EVENT_COLUMNS
from infra.store.partitioner import key_of, partition_of
from tests.support.history import History
from tests.support.stores import CALL, STAMPS, open_store

ROWS = f"SELECT {EVENT_COLUMNS} FROM stored_events ORDER BY notification_id"


class Planned(msgspec.Struct, frozen=True):
    """A record to be sent. `position` and `stream_id`: those of its event."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    position: int = 0
    stream_id: UUID | None = None


def live(url: str, changes: int, seed: int = 3) -> History:
    """Append this number of changes to the log, with events of all kinds."""
    history = History(seed)

    async def fill() -> None:
        async with open_store(url) as opened:
            for roots in history.changes(changes):
                await opened.store.append(roots, CALL, None)

    asyncio.run(fill())
    return history


def rows(url: str) -> list[EventRow]:
    """The log."""
    with psycopg.connect(url) as connection, connection.cursor(binary=True) as cursor:
        return [EventRow(*row) for row in cursor.execute(ROWS)]


def private(log: Iterable[EventRow], topics: Topics, *, mark_every: int = 50) -> Iterator[Planned]:
    """The records of the private topic, with a watermark in every partition now and then."""
    last = dict.fromkeys(range(topics.partitions), 0)
    for row in log:
        partition = partition_of(key_of(row.stream_id), topics.partitions)
        record = record_format.encode(row, last[partition])
        yield Planned(topics.internal, partition, *record, position=row.position, stream_id=row.stream_id)
        last[partition] = row.position
        for other in last if row.position % mark_every == 0 else ():
            yield Planned(topics.internal, other, *record_format.encode_watermark(row.position, last[other]))
            last[other] = row.position


def public(log: Iterable[EventRow], topics: Topics) -> Iterator[Planned]:
    """The records of the public topics."""
    contract = CloudEvents()
    for row in log:
        event = decode_as_erased(row.topic, row.state, row.stream_id, row.version, STAMPS, row.position)
        of = metadata_of(row.state)
        about = RecordedEvent(row.position, row.stream_id, row.version, row.topic, row.recorded_at, of.actor_id, event)
        record = contract.public_record(about, of.event_id, of.correlation_id, of.causation_id)
        if record is not None:
            partition = partition_of(record.key, topics.partitions)
            topic = topics.public(record.aggregate)
            yield Planned(topic, partition, record.key, record.value, record.headers, row.position, row.stream_id)


def states(history: History, topics: Topics, position: int) -> Iterator[Planned]:
    """The records of the compacted topics."""
    contract = CloudEvents()
    for root in history.roots():
        key, topic = key_of(root.id), topics.state(str(getattr(root, "TOPIC", "")))
        record = contract.public_state(root, position)
        partition = partition_of(key, topics.partitions)
        value, headers = (None, []) if record is None else (record.value, record.headers)
        yield Planned(topic, partition, key, value, headers, position, root.id)


def find_closed(history: History) -> FindClosed:
    """The aggregates of the history without a public state."""
    contract = CloudEvents()
    roots = {root.id: root for root in history.roots()}
    return lambda kind, ids: {id for id in ids if contract.public_state(roots[id]) is None}


def send(kafka: dict[str, Any], topics: Topics, records: Iterable[Planned]) -> None:
    """Create the topics, and send the records in this order."""
    with closing(KafkaAdminClient(**kafka)) as admin:
        create_missing(admin, topics, [*topics.events(), *topics.states()])
    with closing(KafkaProducer(**kafka, acks="all", linger_ms=5)) as producer:
        for each in records:
            producer.send(each.topic, partition=each.partition, key=each.key, value=each.value, headers=each.headers)
        producer.flush()


def without(records: Sequence[Planned], n: int) -> list[Planned]:
    """All records but the nth."""
    return [*records[:n], *records[n + 1 :]]


def swapped(records: Sequence[Planned], n: int, m: int) -> list[Planned]:
    """All records, with the nth and the mth exchanged."""
    changed = list(records)
    changed[n], changed[m] = records[m], records[n]
    return changed


@contextmanager
def consumer(kafka: dict[str, Any]) -> Iterator[KafkaConsumer]:
    """A consumer without a group."""
    with closing(KafkaConsumer(**kafka, enable_auto_commit=False, auto_offset_reset="earliest")) as opened:
        yield opened
