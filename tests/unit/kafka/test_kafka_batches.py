"""Our batches equal, byte for byte, those that kafka-python makes of the same records."""

from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from infra.kafka.client.batch_producer import ready_made
from infra.kafka.client.record_batch import NO_KEY, RecordBatch, encode_headers, varint, with_length

HEADERS = st.lists(st.tuples(st.text(), st.binary()), max_size=12)
RECORDS = st.lists(
    st.tuples(st.integers(0, 2**42), st.none() | st.binary(), st.none() | st.binary(), HEADERS), min_size=1, max_size=20
)
Records = list[tuple[int, bytes | None, bytes | None, list[tuple[str, bytes]]]]


def batch_of(records: Records) -> RecordBatch:
    batch = RecordBatch()
    for timestamp, key, value, headers in records:
        batch.add(timestamp, NO_KEY if key is None else with_length(key), value, encode_headers(headers))
    return batch


@given(records=RECORDS)
def test_a_batch_is_what_the_library_makes(records: Records) -> None:
    theirs = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 30)
    for offset, (timestamp, key, value, headers) in enumerate(records):
        theirs.append(offset, timestamp, key, value, headers)
    ours = ready_made(batch_of(records))
    ours.close()

    assert bytes(ours.buffer()) == bytes(theirs.build())


@given(records=RECORDS)
def test_a_batch_is_read_as_it_was_made(records: Records) -> None:
    ours = ready_made(batch_of(records))
    ours.close()

    read = [(each.timestamp, each.key, each.value, each.headers) for each in next(iter(MemoryRecords(ours.buffer())))]
    assert read == records


@given(size=st.integers(8_000, 20_000))
def test_long_values_have_long_lengths(size: int) -> None:
    records: Records = [(5, b"k" * size, b"v" * size, [("h" * 100, b"x" * size)])]
    ours = ready_made(batch_of(records))
    ours.close()

    [record] = next(iter(MemoryRecords(ours.buffer())))
    assert (record.key, record.value, record.headers) == records[0][1:]


def test_numbers_are_as_kafka_has_them() -> None:
    assert [varint(number).hex() for number in (0, 1, -1, 63, 64, 8191, 8192, -64, 2**31)] == [
        "00",
        "02",
        "01",
        "7e",
        "8001",
        "fe7f",
        "808001",
        "7f",
        "8080808010",
    ]
