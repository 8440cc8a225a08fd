"""Damaged bytes of one event or stream are reported, and the tools go on with the others."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from kafka import TopicPartition

from adapters.integration_events.cloudevents import CloudEvents
from application.ports import EventStore, Unavailable
from domain.content.document import Document
from domain.kernel import Root
from infra.kafka.client.ordered_reader import TopicRecord
from infra.kafka.client.record_format import EventRow, encode
from infra.kafka.client.topics import Topics
from infra.kafka.reconcile.expected_topics import PublicTopic
from infra.kafka.reconcile.reconcile import find_closed
from infra.kafka.relay.batch_builder import BatchBuilder
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.kafka.tools.tail import as_json, as_words
from infra.sealing.damage import damage_counter
from infra.sealing.store_keys import Damage
from tests.support.stores import STAMPS

DAMAGED = [b"", b"\xff", bytes(200), b"\xff" * 200]


def row(state: bytes) -> EventRow:
    return EventRow(7, UUID(int=1), 2, "document.created", state, datetime(2026, 11, 22, 12, tzinfo=UTC))


def record(state: bytes) -> TopicRecord:
    """A private record, as the consumer returns it."""
    key, value, headers = encode(row(state), 5)
    place = {"topic": "t", "partition": 0, "offset": 3, "timestamp": 0}
    return cast(TopicRecord, SimpleNamespace(**place, key=key, value=value, headers=headers))


@pytest.mark.parametrize("state", DAMAGED)
def test_no_record_fits_a_damaged_event(state: bytes) -> None:
    topic = PublicTopic("document", "document", STAMPS)
    headers = [("ce_id", b"None"), ("ce_streamversion", b"2"), ("ce_type", topic._types["document.created"])]
    published = SimpleNamespace(offset=1, key=str(UUID(int=1)).encode(), headers=headers)
    assert topic.digest(row(state)) != topic.parse(cast(TopicRecord, published)).digest
    assert topic.may_be_missing(row(state))


@pytest.mark.parametrize("state", DAMAGED)
def test_a_damaged_record_is_printed_as_damaged(state: bytes) -> None:
    assert f'"data": "{len(state)} bytes, damaged"' in as_json(record(state))
    head, kind, rest = as_words(record(state))
    assert head.startswith("7 ")
    assert (kind, rest) == ("document.created", f"{UUID(int=1)} v2 {len(state)} bytes, damaged")


def test_the_relay_counts_damage_that_it_finds() -> None:
    """M1: an event that was changed is alarmed, whatever part of the service reads it first."""
    topics = Topics(partitions=1)
    ends = {TopicPartition(topic, 0): PartitionEnd(0, 0, 0) for topic in topics.events()}
    builder = BatchBuilder(topics, ends, CloudEvents(), lambda _: {}, STAMPS)
    before = damage_counter.labels("event")._value.get()
    batches = builder.build([row(bytes(200))])
    assert [*batches] == [(topics.internal, 0)]
    assert damage_counter.labels("event")._value.get() == before + 1


class Streams:
    """A store of streams by id, in which some loads fail."""

    def __init__(self, streams: dict[UUID, Exception | None]) -> None:
        self._streams = streams

    async def load(self, kind: type[Root], id: UUID) -> Any:
        found = self._streams[id]
        if isinstance(found, Exception):
            raise found
        return found


async def test_a_damaged_stream_does_not_count_as_closed() -> None:
    damaged, closed = UUID(int=1), UUID(int=2)
    streams = Streams({damaged: Damage("the stamp does not fit"), closed: None})
    assert await find_closed(cast(EventStore, streams), Document, [damaged, closed]) == {closed}


async def test_a_database_that_does_not_answer_is_not_called_damage() -> None:
    streams = Streams({UUID(int=1): Unavailable("The database")})
    with pytest.raises(Unavailable):
        await find_closed(cast(EventStore, streams), Document, [UUID(int=1)])
