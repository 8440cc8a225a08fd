"""Domain events and aggregates as they are published in Kafka: CloudEvents 1.0, binary mode, JSON.

The relay asks this for every event there is, so what a class needs is made ready once, and texts are made by encoders
rather than by `str`, which takes eight times as long.
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
"""Where the API serves schemas, by type."""

CONTENT_TYPE = "application/json"
SPEC_VERSION = "1.0"

encode = msgspec.json.Encoder().encode


class PublicRecord(msgspec.Struct, frozen=True):
    """A record of a public topic. `aggregate`: the first word of its type, which names the topic."""

    aggregate: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class _Plan(msgspec.Struct, frozen=True):
    """How one class is published: its mapping, and the headers that all its records share."""

    kind: type[IntegrationType]
    mapping: Mapping
    aggregate: str
    headers: list[tuple[str, bytes]]


class CloudEvents:
    """Makes public records. `api_url`: where clients reach the API, whose schemas the records name."""

    def __init__(self, api_url: str = "http://localhost:8000") -> None:
        load_contract()
        self._schemas = api_url.rstrip("/") + SCHEMAS
        self._events = self._plans(kernel.EVENTS)
        self._states = self._plans(kernel.STATES)

    def public_record(
        self,
        event: RecordedEvent,
        event_id: UUID,
        correlation_id: UUID | None = None,
        causation_id: UUID | None = None,
    ) -> PublicRecord | None:
        """What is published of an event; None: nothing. The ids are those of its row in the log.

        Raises:
            Exception: any, of an event that could not be read (its `data` is `Undecodable`), or not mapped.
        """
        data = event.data
        plan = self._events.get(type(data))
        if plan is None:
            if isinstance(data, Root.Event):
                return None
            raise UnreadableEvent(f"the event at position {event.position} could not be read")
        key = _text(event.stream_id)
        headers = [
            *plan.headers,
            ("ce_id", _text(event_id)),
            ("ce_subject", key),
            ("ce_time", _text(data.timestamp)),  # type: ignore[union-attr]
            ("ce_sequence", b"%d" % event.position),
            ("ce_streamversion", b"%d" % event.version),
        ]
        _add(headers, "ce_actorid", event.actor_id)
        _add(headers, "ce_correlationid", correlation_id)
        _add(headers, "ce_causationid", causation_id)
        return PublicRecord(plan.aggregate, key, encode(plan.mapping(data)), headers)

    def public_value(self, event: RecordedEvent) -> tuple[type[IntegrationType], bytes] | None:
        """The class and the JSON of what is published of an event; None: nothing, as of what could not be read."""
        plan = self._events.get(type(event.data))
        return None if plan is None else (plan.kind, encode(plan.mapping(event.data)))

    def public_state(self, aggregate: Root, position: int | None = None) -> PublicRecord | None:
        """What is published of an aggregate; None: it is gone for good, and its record gives way to a tombstone.

        `position`: how far the log was read; every event up to there is in the state.
        """
        plan = self._states.get(type(aggregate))
        state = None if plan is None else plan.mapping(aggregate)
        if plan is None or state is None:
            return None
        key = _text(aggregate.id)
        headers = [
            *plan.headers,
            ("ce_id", b"%b:%d" % (key, aggregate.version)),
            ("ce_subject", key),
            ("ce_time", _text(aggregate.modified_on)),
            ("ce_streamversion", b"%d" % aggregate.version),
        ]
        if position is not None:
            headers.append(("ce_sequence", b"%d" % position))
        return PublicRecord(plan.aggregate, key, encode(state), headers)

    def _plans(self, mapped: Any) -> dict[type[Any], _Plan]:
        """How each class is published in the topics that there are, which are those of the first versions."""
        plans = {}
        for source, versions in mapped.items():
            kind, mapping = versions[1]
            plans[source] = _Plan(kind, mapping, kind.aggregate(), self._headers(kind))
        return plans

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
    """The event itself could not be read."""


def load_contract() -> None:
    """Import all of what is published, so that its mappings are known."""
    import_all("adapters.integration_events")


def _add(headers: list[tuple[str, bytes]], name: str, id: UUID | None) -> None:
    if id is not None:
        headers.append((name, _text(id)))


def _text(value: UUID | datetime) -> bytes:
    return encode(value)[1:-1]
