"""The published stream as AsyncAPI 3 describes it: topics, what is in them, and how to get at them."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from adapters.integration_events.cloudevents import CONTENT_TYPE, SCHEMAS, SOURCE, SPEC_VERSION
from adapters.integration_events.contract import (
    EXAMPLE_TIME,
    Schema,
    aggregates,
    events_of,
    example_id,
    example_of,
    published,
    shape_of,
    states_of,
)
from adapters.integration_events.kernel import NAMESPACE, IntegrationType, PublicEvent

BINDING = "0.5.0"

DESCRIPTION = """\
What happened in Palimpsest, for whoever analyses it. Every record is a CloudEvent 1.0 (Kafka binding, binary mode) with
JSON in its value; nothing in it is personal.

- **In order**: records of one subject have one key, hence one partition, and come in the order in which they happened.
- **Complete**: `ce_streamversion` counts the events of a subject. A few are private, so that numbers may be missing.
- **Once**, in the topics of events: a record may come again after a crash. `ce_sequence` grows within a partition; drop
  what is not greater than the greatest that you have taken in, and keep that number together with what you made of the
  records.
- **Newest**, in the topics of states: of a key the last record counts, always. Drop none by its headers.
- **Compatible**: fields are only ever added, optional ones; unknown fields and unknown values of enumerations are to be
  ignored. What cannot be said that way is a new version of the type, in topics of the next version beside these.
"""

HEADERS: dict[str, tuple[Schema, str]] = {
    "ce_specversion": ({"const": SPEC_VERSION}, "The version of CloudEvents."),
    "ce_id": ({"minLength": 1}, "Names this event, and no other."),
    "ce_source": ({"const": SOURCE}, "Who says it."),
    "ce_type": ({}, "What happened, and the version of its schema."),
    "ce_subject": ({"format": "uuid"}, "To what it happened; the record's key, too."),
    "ce_time": ({"format": "date-time"}, "When it was decided."),
    "ce_dataschema": ({"format": "uri"}, "Where the schema of the value is."),
    "content-type": ({"const": CONTENT_TYPE}, "The form of the value."),
    "ce_sequence": ({"pattern": "^[0-9]+$"}, "The position in the log of all that happened: unique, and growing."),
    "ce_streamversion": ({"pattern": "^[0-9]+$"}, "The version of the subject that the event made."),
    "ce_actorid": ({"format": "uuid"}, "The user who did it: a pseudonym. Missing where nobody did."),
    "ce_correlationid": ({"format": "uuid"}, "What belongs together: the request that it was part of."),
    "ce_causationid": ({"format": "uuid"}, "What it follows from."),
}
HEADERS_OF_STATES = {
    **{name: HEADERS[name] for name in [*HEADERS][:8]},
    "ce_id": ({"minLength": 1}, "Names this state: its subject and its version."),
    "ce_type": ({}, "What it is the state of, and the version of its schema."),
    "ce_subject": ({"format": "uuid"}, "What it is the state of; the record's key, too."),
    "ce_time": ({"format": "date-time"}, "When the last event in it was decided."),
    "ce_sequence": (
        {"pattern": "^[0-9]+$"},
        "The state holds everything up to this position in the log; several records share it.",
    ),
    "ce_streamversion": ({"pattern": "^[0-9]+$"}, "The version of its subject, whose state it is."),
}
NEEDED_OF_EVENTS = [*HEADERS][:10]
NEEDED_OF_STATES = [name for name in NEEDED_OF_EVENTS if name != "ce_sequence"]
"""A state that is not made out of the log's end does not tell a position."""


@dataclass(frozen=True, slots=True)
class Broker:
    """What differs from installation to installation: the prefix of all topics, and how they are spread."""

    prefix: str = NAMESPACE
    partitions: int = 8
    replication: int = 1


LOCAL = Broker()
"""As nobody has set it otherwise."""


@cache
def describe(broker: Broker) -> Schema:
    """The AsyncAPI 3 document."""
    channels = {name: channel for about in aggregates() for name, channel in _channels(about, broker)}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:palimpsest:events",
        "info": {
            "title": "Palimpsest, the published stream",
            "version": "1",
            "description": DESCRIPTION,
            "tags": [{"name": about} for about in aggregates()],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"kafka": _server()},
        "channels": channels,
        "operations": {f"send{name[0].upper()}{name[1:]}": _operation(name, channels[name]) for name in channels},
        "components": {
            "messages": {type: _message(kind) for type, kind in published().items()},
            "schemas": {type: shape_of(kind) for type, kind in published().items()},
            "securitySchemes": SECURITY,
        },
    }


def headers_of(kind: type[IntegrationType]) -> Schema:
    """The JSON Schema of a record's headers."""
    event = issubclass(kind, PublicEvent)
    headers, needed = (HEADERS, NEEDED_OF_EVENTS) if event else (HEADERS_OF_STATES, NEEDED_OF_STATES)
    properties = {name: {"type": "string", "description": text, **schema} for name, (schema, text) in headers.items()}
    properties["ce_type"]["const"] = kind.type()
    return {"type": "object", "required": needed, "properties": properties}


SECURITY = {
    "scram": {"type": "scramSha512", "description": "SASL/SCRAM, over TLS: a name and a password from the operator."},
    "plain": {"type": "plain", "description": "SASL/PLAIN, over TLS."},
    "certificate": {"type": "X509", "description": "A certificate of one's own (mutual TLS)."},
}


def _server() -> Schema:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "Kafka. The operator says where it is and how to log in; the one of `make kafka` is open.",
        "variables": {"bootstrap": {"default": "localhost:9092", "description": "The first brokers to ask."}},
        "security": [_ref("components", "securitySchemes", name) for name in SECURITY],
    }


def _channels(aggregate: str, broker: Broker) -> list[tuple[str, Schema]]:
    """The two topics of an aggregate."""
    events = {"cleanup.policy": ["delete"], "retention.ms": -1}
    what_happened = f"What happened to each {aggregate}, all of it since the beginning."
    what_is = (
        f"What each {aggregate} is now: the last record of a key counts; one without a value says that it is gone."
    )
    return [
        (f"{aggregate}Events", _channel(f"{aggregate}.v1", what_happened, [*events_of(aggregate)], events, broker)),
        (
            f"{aggregate}State",
            _channel(
                f"{aggregate}.state.v1", what_is, [*states_of(aggregate)], {"cleanup.policy": ["compact"]}, broker
            ),
        ),
    ]


def _channel(name: str, text: str, kinds: list[type[IntegrationType]], settings: Schema, broker: Broker) -> Schema:
    topic = f"{broker.prefix}.{name}"
    return {
        "address": topic,
        "description": text,
        "servers": [_ref("servers", "kafka")],
        "messages": {kind.type(): _ref("components", "messages", kind.type()) for kind in kinds},
        "bindings": {
            "kafka": {
                "topic": topic,
                "partitions": broker.partitions,
                "replicas": broker.replication,
                "topicConfiguration": settings,
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(name: str, channel: Schema) -> Schema:
    return {
        "action": "send",
        "channel": _ref("channels", name),
        "summary": channel["description"],
        "messages": [_ref("channels", name, "messages", type) for type in channel["messages"]],
    }


CORRELATED = {"correlationId": {"location": "$message.header#/ce_correlationid"}}


def _message(kind: type[IntegrationType]) -> Schema:
    shape = shape_of(kind)
    return {
        "name": kind.type(),
        "title": shape["title"],
        "summary": shape["description"],
        "contentType": CONTENT_TYPE,
        "tags": [{"name": kind.aggregate()}],
        "headers": headers_of(kind),
        "payload": _ref("components", "schemas", kind.type()),
        **(CORRELATED if issubclass(kind, PublicEvent) else {}),
        "bindings": {"kafka": {"key": {"type": "string", "format": "uuid"}, "bindingVersion": BINDING}},
        "examples": [{"name": "one", "headers": example_headers(kind), "payload": example_of(kind)}],
    }


def example_headers(kind: type[IntegrationType]) -> dict[str, str]:
    """The headers of an example."""
    subject = example_id(f"{kind.aggregate()}_id")
    return {
        "ce_specversion": SPEC_VERSION,
        "ce_id": example_id("event_id") if issubclass(kind, PublicEvent) else f"{subject}:1",
        "ce_source": SOURCE,
        "ce_type": kind.type(),
        "ce_subject": subject,
        "ce_time": EXAMPLE_TIME,
        "ce_dataschema": f"https://api.example.org{SCHEMAS}{kind.type()}",
        "content-type": CONTENT_TYPE,
        "ce_sequence": "4711",
        "ce_streamversion": "1",
    }


def _ref(*path: str) -> Any:
    return {"$ref": f"#/{'/'.join(path)}"}
