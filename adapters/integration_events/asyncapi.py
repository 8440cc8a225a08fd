"""The AsyncAPI 3 document of the published topics: their records, headers and settings, and how to connect."""

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
"""The version of AsyncAPI's Kafka binding."""

DESCRIPTION = """\
All public events of Palimpsest, and the current state of each aggregate, for analysis. Every record is a CloudEvent 1.0
(Kafka binding, binary mode) with a JSON value. Records contain no personal data.

- **Ordered**: all records of one subject have the same key. They are in one partition, in the order of the events.
- **Complete**: `ce_streamversion` counts the events of a subject. Some events are private, so numbers may be missing.
- **At least once**, in the topics of events: after a crash, records may be repeated. `ce_sequence` grows within a
  partition: skip each record whose `ce_sequence` is not greater than the greatest one processed so far, and store that
  number together with your results.
- **Latest state**, in the topics of states: the last record of a key is the valid one. Never skip a record because of
  its headers.
- **Compatible**: a schema changes only by new optional fields and new values of enumerations. Ignore fields and values
  that you do not know. Any other change is a new version of the type, in new topics beside the old ones.
"""

HEADERS: dict[str, tuple[Schema, str]] = {
    "ce_specversion": ({"const": SPEC_VERSION}, "The version of the CloudEvents specification."),
    "ce_id": ({"minLength": 1}, "The unique id of the event."),
    "ce_source": ({"const": SOURCE}, "The system that publishes the record."),
    "ce_type": ({}, "The type of the event, with the version of its schema."),
    "ce_subject": ({"format": "uuid"}, "The id of the aggregate that the event happened to, as in the record's key."),
    "ce_time": ({"format": "date-time"}, "The time at which the event was decided."),
    "ce_dataschema": ({"format": "uri"}, "The URL of the value's JSON Schema."),
    "content-type": ({"const": CONTENT_TYPE}, "The media type of the value."),
    "ce_sequence": ({"pattern": "^[0-9]+$"}, "The position in the log of all events: unique and increasing."),
    "ce_streamversion": ({"pattern": "^[0-9]+$"}, "The version of the subject after this event."),
    "ce_actorid": ({"format": "uuid"}, "The id of the user who caused the event, a pseudonym. Missing if none did."),
    "ce_correlationid": ({"format": "uuid"}, "The id of the request. All events of one request have the same."),
    "ce_causationid": ({"format": "uuid"}, "The id of what caused the event."),
}
HEADERS_OF_STATES = {
    **{name: HEADERS[name] for name in [*HEADERS][:8]},
    "ce_id": ({"minLength": 1}, "The unique id of this state: its subject and its version."),
    "ce_type": ({}, "The type of the state, with the version of its schema."),
    "ce_subject": ({"format": "uuid"}, "The id of the aggregate, as in the record's key."),
    "ce_time": ({"format": "date-time"}, "The time of the last event in this state."),
    "ce_sequence": (
        {"pattern": "^[0-9]+$"},
        "The state includes all events up to this position in the log; several records share it.",
    ),
    "ce_streamversion": ({"pattern": "^[0-9]+$"}, "The version of the subject in this state."),
}
REQUIRED_OF_EVENTS = [*HEADERS][:10]
REQUIRED_OF_STATES = [name for name in REQUIRED_OF_EVENTS if name != "ce_sequence"]
"""A state has no position if it was published while the log was not read to its end."""


@dataclass(frozen=True, slots=True)
class Broker:
    """The settings of an installation: prefix, partitions and replicas of its topics."""

    prefix: str = NAMESPACE
    partitions: int = 8
    replication: int = 1


LOCAL = Broker()
"""The default settings."""


@cache
def describe(broker: Broker) -> Schema:
    """The AsyncAPI 3 document."""
    channels = {name: channel for aggregate in aggregates() for name, channel in _channels(aggregate, broker)}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:palimpsest:events",
        "info": {
            "title": "Palimpsest event stream",
            "version": "1",
            "description": DESCRIPTION,
            "tags": [{"name": aggregate} for aggregate in aggregates()],
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
    headers, required = (HEADERS, REQUIRED_OF_EVENTS) if event else (HEADERS_OF_STATES, REQUIRED_OF_STATES)
    properties = {name: {"type": "string", "description": text, **schema} for name, (schema, text) in headers.items()}
    properties["ce_type"]["const"] = kind.type()
    return {"type": "object", "required": required, "properties": properties}


SECURITY = {
    "scram": {
        "type": "scramSha512",
        "description": "SASL/SCRAM over TLS, with a name and a password from the operator.",
    },
    "plain": {"type": "plain", "description": "SASL/PLAIN over TLS, with a name and a password from the operator."},
    "certificate": {"type": "X509", "description": "A client certificate (mutual TLS)."},
}


def _server() -> Schema:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "Kafka. The operator provides address and login; the broker of `make kafka` needs no login.",
        "variables": {"bootstrap": {"default": "localhost:9092", "description": "The brokers to connect to first."}},
        "security": [_ref("components", "securitySchemes", name) for name in SECURITY],
    }


def _channels(aggregate: str, broker: Broker) -> list[tuple[str, Schema]]:
    """The two topics of an aggregate."""
    events = {"cleanup.policy": ["delete"], "retention.ms": -1}
    about_events = f"All public events of each {aggregate}, from the first one on."
    about_states = (
        f"The current state of each {aggregate}: the last record of a key counts. A record without a value means that"
        f" the {aggregate} is gone for good."
    )
    return [
        (f"{aggregate}Events", _channel(f"{aggregate}.v1", about_events, [*events_of(aggregate)], events, broker)),
        (
            f"{aggregate}State",
            _channel(
                f"{aggregate}.state.v1", about_states, [*states_of(aggregate)], {"cleanup.policy": ["compact"]}, broker
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
    """The headers of the example."""
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
