"""Private records: a stored event is decoded as it was encoded, and foreign records are recognised."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from infra.kafka.client import record_format
from infra.kafka.client.record_format import EventRecord, EventRow, ForeignRecord, Watermark
from infra.kafka.client.topics import AGGREGATES, Topics, WrongPartitions, require_partitions
from infra.store.partitioner import key_of, partition_of, stream_of

POSITIONS = st.integers(0, 2**53)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
STORED = st.builds(
    EventRow,
    position=POSITIONS,
    stream_id=st.uuids(),
    version=POSITIONS,
    topic=st.text(),
    state=st.binary(),
    recorded_at=TIMES,
)
ROW = EventRow(7, UUID(int=1), 2, "document.created", b"\x00\xff", datetime(2026, 11, 22, 12, tzinfo=UTC))


@given(row=STORED, previous=POSITIONS)
def test_an_event_is_decoded_as_it_was_encoded(row: EventRow, previous: int) -> None:
    assert record_format.decode(*record_format.encode(row, previous)) == EventRecord(previous, row)


@given(position=POSITIONS, previous=POSITIONS)
def test_a_watermark_is_decoded_as_it_was_encoded(position: int, previous: int) -> None:
    assert record_format.decode(*record_format.encode_watermark(position, previous)) == Watermark(position, previous)


@pytest.mark.parametrize("key", [None, b"", b"x" * 36, b"\xff" * 36, str(UUID(int=1)).upper().encode() + b" "])
def test_a_key_that_is_not_ours_names_no_stream(key: bytes | None) -> None:
    """Such a record in a topic of states once ended the round that repairs them."""
    assert stream_of(key) is None
    assert stream_of(key_of(ROW.stream_id)) == ROW.stream_id


def test_a_foreign_client_can_read_what_a_record_is_about() -> None:
    key, value, headers = record_format.encode(ROW, 5)

    assert key == b"00000000-0000-0000-0000-000000000001"
    assert value == ROW.state
    assert headers == [
        (
            "event",
            b'{"position":7,"previous":5,"version":2,"topic":"document.created","recorded_at":"2026-11-22T12:00:00Z"}',
        )
    ]


def test_fields_that_later_versions_add_are_ignored() -> None:
    _, _, [(name, content)] = record_format.encode(ROW, 5)
    more = content[:-1] + b',"tenant":"x"}'

    assert record_format.decode(key_of(ROW.stream_id), ROW.state, [("other", b""), (name, more)]) == EventRecord(5, ROW)


@given(key=st.none() | st.binary(), value=st.none() | st.binary(), content=st.binary(), name=st.text())
def test_a_foreign_record_is_recognised(key: bytes | None, value: bytes | None, content: bytes, name: str) -> None:
    for headers in ([], [(name, content)], [("event", content)], [("watermark", content)]):
        with pytest.raises(ForeignRecord):
            record_format.decode(key, value, headers)


def test_an_event_needs_key_and_value() -> None:
    key, value, headers = record_format.encode(ROW, 5)

    for broken in ((None, value, headers), (key, None, headers), (b"no id", value, headers), (b"\xff", value, headers)):
        with pytest.raises(ForeignRecord):
            record_format.decode(*broken)


@given(stream_id=st.uuids(), partitions=st.integers(1, 1000))
def test_a_stream_belongs_where_kafkas_own_clients_put_it(stream_id: UUID, partitions: int) -> None:
    key = key_of(stream_id)

    assert partition_of(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions


def test_topics_are_named_after_the_prefix() -> None:
    topics = Topics("acme")

    assert topics.events() == ["acme.internal.events.v1", *(f"acme.{aggregate}.v1" for aggregate in AGGREGATES)]
    assert topics.states() == [f"acme.{aggregate}.state.v1" for aggregate in AGGREGATES]
    assert {"user", "document", "subscription", "team"} <= {*AGGREGATES}


def test_history_is_kept_and_states_are_compacted() -> None:
    topics = Topics(replication=3)

    assert topics.config(topics.internal)["retention.ms"] == "-1"
    assert topics.config(topics.state("team"))["cleanup.policy"] == "compact"
    assert topics.config(topics.internal)["min.insync.replicas"] == "2"


def test_another_partition_count_is_refused_in_a_sentence() -> None:
    with pytest.raises(WrongPartitions, match=r"t has 4 partitions.* over 8.*PALIMPSEST_KAFKA_PARTITIONS=4"):
        require_partitions({"t": 4, "other": 1}, {"t": 8})


def test_the_same_count_and_a_missing_topic_are_accepted() -> None:
    require_partitions({"t": 8, "other": 1}, {"t": 8, "new": 8})
