"""The contract as data: all integration events and states, with the JSON Schema and an example of each."""

from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from adapters.integration_events import kernel
from adapters.integration_events.cloudevents import SCHEMAS, load_contract
from adapters.integration_events.kernel import IntegrationType, PublicEvent, PublicState

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXAMPLE_TIME = "2026-11-22T12:00:00Z"


@cache
def published() -> dict[str, type[IntegrationType]]:
    """All integration events and states, by type.

    Aggregates come in the order of their contexts and modules; events in the order of the code, then states.
    """
    load_contract()
    kinds = [
        kind
        for mapped in (kernel.EVENTS, kernel.STATES)
        for versions in mapped.values()
        for kind, _ in sorted(versions.values(), key=lambda version: version[0].VERSION)
    ]
    kinds.sort(key=lambda kind: (kind.__module__, kind.aggregate()))
    return {kind.type(): kind for kind in kinds}


def aggregates() -> list[str]:
    """The names of all aggregates with public events or states."""
    return list(dict.fromkeys(kind.aggregate() for kind in published().values()))


def events_of(aggregate: str) -> Iterator[type[IntegrationType]]:
    """The integration events of an aggregate, in all versions."""
    return (kind for kind in published().values() if kind.aggregate() == aggregate and issubclass(kind, PublicEvent))


def states_of(aggregate: str) -> Iterator[type[IntegrationType]]:
    """The states of an aggregate, one for each version."""
    return (kind for kind in published().values() if kind.aggregate() == aggregate and issubclass(kind, PublicState))


def schema_of(kind: type[IntegrationType]) -> Schema:
    """The JSON Schema (2020-12) of an integration event or state."""
    return {"$schema": DIALECT, "$id": SCHEMAS + kind.type(), **shape_of(kind)}


def shape_of(kind: type[IntegrationType]) -> Schema:
    """The JSON Schema without `$schema` and `$id`, as AsyncAPI embeds it."""
    _, components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    shape = components.pop(kind.__name__)
    return {**shape, "$defs": components} if components else shape


def example_of(kind: type[IntegrationType]) -> dict[str, Any]:
    """An example value."""
    return {name: _example(name, schema) for name, schema in shape_of(kind)["properties"].items()}


def example_id(name: str) -> str:
    """The id that all examples have in a field of this name."""
    return str(uuid5(NAMESPACE_URL, f"urn:palimpsest:example:{name}"))


def _example(name: str, schema: Schema) -> Any:
    """An example of a field. Fields of one name have one value, so that examples refer to each other."""
    if "anyOf" in schema:
        return _example(name, schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "string":
        texts = {"uuid": example_id(name), "date-time": EXAMPLE_TIME}
        return texts.get(schema.get("format", ""), EXAMPLE_TIME[:7])
    return {"integer": max(schema.get("minimum", 0), 1), "boolean": False}[schema["type"]]
