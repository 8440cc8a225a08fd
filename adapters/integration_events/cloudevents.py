"""Makes public Kafka records from domain events and aggregates: CloudEvents 1.0, binary mode, JSON.

The relay calls this for every event. What all records of a class share is prepared once, and ids and times are encoded
by msgspec, because `str` takes eight times as long.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from adapters.integration_events import kernel
from adapters.integration_events.kernel import IntegrationType, Mapping
from application.discovery import import_all
from application.ports import RecordedEvent
from domain.kernel import Root

SOURCE = "urn:palimpsest"
SCHEMAS = "/v1/events/schemas/"
"""The path under which the API serves schemas, by type."""

CONTENT_TYPE = "application/json"
SPEC_VERSION = "1.0"

encode = msgspec.json.Encoder().encode


class PublicRecord(msgspec.Struct, frozen=True):
    """A record of a public topic. `aggregate` names the topic."""

    aggregate: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class _RecordLayout(msgspec.Struct, frozen=True):
    """How one class is published: its mapping, and the headers that all its records have in common."""

    kind: type[IntegrationType]
    mapping: Mapping
    aggregate: str
    headers: list[tuple[str, bytes]]


class CloudEvents:
    """Makes public records. `api_url`: the public address of the API, which serves the schemas named in records."""

    def __init__(self, api_url: str = "http://localhost:8000") -> None:
        load_contract()
        self._schemas = api_url.rstrip("/") + SCHEMAS
        self._events = self._layouts_of(kernel.EVENTS)
        self._states = self._layouts_of(kernel.STATES)

    def public_record(
        self,
        event: RecordedEvent,
        event_id: UUID,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
    ) -> PublicRecord | None:
        """The public record of an event; None if it is private. The ids are those of the event's row in the log.

        Raises:
            UnreadableEvent: the event could not be decoded (its `data` is `Undecodable`).
            Exception: any other, if the mapping fails.
        """
        data = event.data
        layout = self._events.get(type(data))
        if layout is None:
            if isinstance(data, Root.Event):
                return None
            raise UnreadableEvent(f"the event at position {event.position} could not be read")
        key = _text(event.stream_id)
        headers = [
            *layout.headers,
            ("ce_id", _text(event_id)),
            ("ce_subject", key),
            ("ce_time", _text(data.timestamp)),  # type: ignore[union-attr]
            ("ce_sequence", b"%d" % event.position),
            ("ce_streamversion", b"%d" % event.version),
        ]
        _add(headers, "ce_actorid", event.actor_id)
        _add(headers, "ce_correlationid", correlation_id)
        _add(headers, "ce_causationid", causation_id)
        return PublicRecord(layout.aggregate, key, encode(layout.mapping(data)), headers)

    def public_value(self, event: RecordedEvent) -> tuple[type[IntegrationType], bytes] | None:
        """The class and the JSON of an integration event; None if the event is private or could not be decoded."""
        layout = self._events.get(type(event.data))
        return None if layout is None else (layout.kind, encode(layout.mapping(event.data)))

    def public_state(self, aggregate: Root, position: int | None = None) -> PublicRecord | None:
        """The public state of an aggregate; None if it is gone for good, so that a tombstone replaces its record.

        `position`: the state includes all events of the log up to this position.
        """
        layout = self._states.get(type(aggregate))
        state = None if layout is None else layout.mapping(aggregate)
        if layout is None or state is None:
            return None
        key = _text(aggregate.id)
        headers = [
            *layout.headers,
            ("ce_id", b"%b:%d" % (key, aggregate.version)),
            ("ce_subject", key),
            ("ce_time", _text(aggregate.modified_on)),
            ("ce_streamversion", b"%d" % aggregate.version),
        ]
        if position is not None:
            headers.append(("ce_sequence", b"%d" % position))
        return PublicRecord(layout.aggregate, key, encode(state), headers)

    def _layouts_of(self, mapped: Any) -> dict[type[Any], _RecordLayout]:
        """The layout of each class. All topics are topics of version 1, so only first versions are published."""
        layouts = {}
        for source, versions in mapped.items():
            kind, mapping = versions[1]
            layouts[source] = _RecordLayout(kind, mapping, kind.aggregate(), self._headers(kind))
        return layouts

    def _headers(self, kind: type[IntegrationType]) -> list[tuple[str, bytes]]:
        shared = {
            "content-type": CONTENT_TYPE,
            "ce_specversion": SPEC_VERSION,
            "ce_source": SOURCE,
            "ce_type": kind.type(),
            "ce_dataschema": self._schemas + kind.type(),
        }
        return [(name, value.encode()) for name, value in shared.items()]


class UnreadableEvent(Exception):
    """The event could not be decoded."""


def load_contract() -> None:
    """Import all modules of the contract, so that all classes are registered."""
    import_all("adapters.integration_events")


def _add(headers: list[tuple[str, bytes]], name: str, id: UUID | None) -> None:
    if id is not None:
        headers.append((name, _text(id)))


def _text(value: UUID | datetime) -> bytes:
    return encode(value)[1:-1]
