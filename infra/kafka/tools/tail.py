"""Reads topic records for `palimpsest stream tail`, and formats them as readable lines or as JSON."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from infra.kafka.client.ordered_reader import (
    TopicRecord,
    beginning_offsets,
    end_offsets,
    headers_of,
    partitions_of,
    read_until,
    seek_to_position,
)
from infra.kafka.client.record_format import EventRecord, ForeignRecord, decode_record, event_id_of
from infra.kafka.client.record_position import position_of
from infra.printable import printable

POLL_MS = 200


def tail(
    consumer: KafkaConsumer,
    topics: Sequence[str],
    *,
    first: int | None = None,
    last_few: int = 10,
    follow: bool = False,
) -> Iterator[TopicRecord]:
    """Records from position `first` on, or the last few. Records of the same poll are in order of position.

    With `follow` it never ends; otherwise it ends where the topics ended when it began.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    partitions = partitions_of(consumer, topics)
    ends = end_offsets(consumer, partitions)
    if first is None:
        yield from _last(consumer, partitions, ends, last_few)
    else:
        seek_to_position(consumer, partitions, first, position_of)
        yield from _until(consumer, ends, first)
    while follow:
        yield from _in_order(consumer.poll(POLL_MS))


def _last(
    consumer: KafkaConsumer, partitions: Sequence[TopicPartition], ends: dict[TopicPartition, int], count: int
) -> list[TopicRecord]:
    consumer.assign(partitions)
    begins = beginning_offsets(consumer, partitions)
    for partition in partitions:
        consumer.seek(partition, max(begins[partition], ends[partition] - count))
    return sorted(_until(consumer, ends, 0), key=position_of)[-count:] if count else []


def _until(consumer: KafkaConsumer, ends: dict[TopicPartition, int], first: int) -> Iterator[TopicRecord]:
    for polled in read_until(consumer, ends):
        yield from (record for record in _in_order(polled) if position_of(record) >= first)


def _in_order(polled: dict[TopicPartition, list[TopicRecord]]) -> list[TopicRecord]:
    return sorted((record for records in polled.values() for record in records), key=position_of)


def as_json(record: TopicRecord) -> str:
    """Format a record as one line of JSON: its partition and offset, and the event in CloudEvents' JSON format.

    Sealed data of private records is left out.
    """
    at = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return printable(json.dumps({**at, **_attributes(record)}, ensure_ascii=False))


def _attributes(record: TopicRecord) -> dict[str, Any]:
    attributes = {
        name.removeprefix("ce_"): value for name, value in headers_of(record).items() if name.startswith("ce_")
    }
    if "type" in attributes:
        return {**attributes, "data": _data(record)}
    key = (record.key or b"").decode(errors="replace")
    if record.value is None:
        return {**attributes, "type": "tombstone", "subject": key}
    try:
        decoded = decode_record(record)
    except ForeignRecord as error:
        return {**attributes, "type": "foreign", "subject": key, "data": str(error)}
    if not isinstance(decoded, EventRecord):
        return {"type": "watermark", "sequence": str(decoded.position)}
    row = decoded.row
    event_id = event_id_of(row)
    return {
        **({"id": str(event_id)} if event_id else {}),
        "type": row.topic,
        "subject": key,
        "time": row.recorded_at.isoformat(),
        "sequence": str(row.position),
        "streamversion": str(row.version),
        "data": f"{len(row.state)} bytes, {'sealed' if event_id else 'damaged'}",
    }


def _data(record: TopicRecord) -> Any:
    try:
        return None if record.value is None else json.loads(record.value)
    except (ValueError, RecursionError):
        return (record.value or b"").decode(errors="replace")


def as_words(record: TopicRecord) -> tuple[str, str, str]:
    """The parts of a readable line: position and time; type; stream, version and data.

    Control characters are escaped, so that a record cannot control the terminal.
    """
    attributes = _attributes(record)
    data = attributes.get("data")
    fields = " ".join(f"{name}={value}" for name, value in data.items()) if isinstance(data, dict) else data or ""
    time = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    version = f"v{attributes['streamversion']} " if "streamversion" in attributes else ""
    about = f"{attributes.get('subject', record.topic)} {version}{fields}".rstrip()
    head = f"{attributes.get('sequence', '-')} {time:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    return printable(head), printable(attributes["type"]), printable(about)
