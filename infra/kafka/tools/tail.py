"""What comes by on topics, for eyes and for pipes."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from infra.kafka.client.ordered_reader import (
    TopicRecord,
    begin_at,
    begins_of,
    ends_of,
    headers_of,
    partitions_of,
    until,
)
from infra.kafka.client.record_format import EventRecord, ForeignRecord, decode_record
from infra.kafka.relay.checkpoints import position_of

POLL_MS = 200


def tail(
    consumer: KafkaConsumer,
    topics: Sequence[str],
    *,
    first: int | None = None,
    last_few: int = 10,
    follow: bool = False,
) -> Iterator[TopicRecord]:
    """Records from position `first` on; without it the last few. They are in order as far as they come at once.

    With `follow` it goes on with what comes, for good; otherwise it ends where the topics ended at the beginning.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    places = partitions_of(consumer, topics)
    ends = ends_of(consumer, places)
    if first is None:
        yield from _last(consumer, places, ends, last_few)
    else:
        begin_at(consumer, places, first, position_of)
        yield from _until(consumer, ends, first)
    while follow:
        yield from _in_order(consumer.poll(POLL_MS))


def _last(
    consumer: KafkaConsumer, places: Sequence[TopicPartition], ends: dict[TopicPartition, int], count: int
) -> list[TopicRecord]:
    consumer.assign(places)
    begins = begins_of(consumer, places)
    for place in places:
        consumer.seek(place, max(begins[place], ends[place] - count))
    return sorted(_until(consumer, ends, 0), key=position_of)[-count:] if count else []


def _until(consumer: KafkaConsumer, ends: dict[TopicPartition, int], first: int) -> Iterator[TopicRecord]:
    for polled in until(consumer, ends):
        yield from (record for record in _in_order(polled) if position_of(record) >= first)


def _in_order(polled: dict[TopicPartition, list[TopicRecord]]) -> list[TopicRecord]:
    return sorted((record for records in polled.values() for record in records), key=position_of)


def as_json(record: TopicRecord) -> str:
    """A line: where the record stands, and the event as CloudEvents' JSON format has it.

    Of a private record only what is not sealed.
    """
    at = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    return _printable(json.dumps({**at, **_told(record)}, ensure_ascii=False))


def _told(record: TopicRecord) -> dict[str, Any]:
    attributes = {
        name.removeprefix("ce_"): value for name, value in headers_of(record).items() if name.startswith("ce_")
    }
    if "type" in attributes:
        return {**attributes, "data": _data(record)}
    key = (record.key or b"").decode(errors="replace")
    if record.value is None:
        return {**attributes, "type": "tombstone", "subject": key}
    try:
        read = decode_record(record)
    except ForeignRecord as error:
        return {**attributes, "type": "foreign", "subject": key, "data": str(error)}
    if not isinstance(read, EventRecord):
        return {"type": "watermark", "sequence": str(read.position)}
    row = read.row
    return {
        "id": str(row.event_id),
        "type": row.topic,
        "subject": key,
        "time": row.recorded_at.isoformat(),
        "sequence": str(row.position),
        "streamversion": str(row.version),
        "data": f"{len(row.state)} bytes, sealed",
    }


def _data(record: TopicRecord) -> Any:
    try:
        return None if record.value is None else json.loads(record.value)
    except (ValueError, RecursionError):
        return (record.value or b"").decode(errors="replace")


def as_words(record: TopicRecord) -> tuple[str, str, str]:
    """The parts of a readable line: position and time; type; stream, version and data. Nothing in them is obeyed by a
    terminal."""
    told = _told(record)
    data = told.get("data")
    fields = " ".join(f"{name}={value}" for name, value in data.items()) if isinstance(data, dict) else data or ""
    moment = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    version = f"v{told['streamversion']} " if "streamversion" in told else ""
    about = f"{told.get('subject', record.topic)} {version}{fields}".rstrip()
    head = f"{told.get('sequence', '-')} {moment:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    return _printable(head), _printable(told["type"]), _printable(about)


def _printable(text: str) -> str:
    """The text, with what cannot be printed as JSON escapes it."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
