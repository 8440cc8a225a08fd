"""Maps public events to typed columns: CloudEvents' attributes, then every field of the topic's events."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import msgspec
from msgspec import inspect

from adapters.integration_events.cloudevents import load_contract
from adapters.integration_events.kernel import EVENTS
from infra.kafka.client.ordered_reader import TopicRecord

Kind = Literal["text", "timestamp", "integer", "number", "boolean", "json"]
"""The type of a column. `timestamp`: UTC, in microseconds; `json`: JSON text, for values without a simple type."""

ATTRIBUTES: dict[str, Kind] = {
    "ce_id": "text",
    "ce_source": "text",
    "ce_type": "text",
    "ce_subject": "text",
    "ce_time": "timestamp",
    "ce_dataschema": "text",
    "ce_sequence": "integer",
    "ce_streamversion": "integer",
    "ce_correlationid": "text",
    "ce_causationid": "text",
    "ce_actorid": "text",
}
REQUIRED = ("ce_id", "ce_sequence", "ce_time")
"""Attributes that every event has."""
OTHER = "other"
"""The column of fields that this version of the code does not know, as JSON."""

_SIMPLE: dict[type[inspect.Type], Kind] = {
    inspect.UUIDType: "text",
    inspect.StrType: "text",
    inspect.DateTimeType: "timestamp",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
}


def _integer(value: Any) -> int:
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a number exceeds 64 bits")
    return number


def _timestamp(value: Any) -> datetime:
    timestamp = datetime.fromisoformat(value)
    if timestamp.tzinfo is None:
        raise ValueError("a time has no zone")
    return timestamp.astimezone(UTC)


_READ: dict[Kind, Callable[[Any], Any]] = {
    "text": str,
    "timestamp": _timestamp,
    "integer": _integer,
    "number": float,
    "boolean": bool,
    "json": lambda value: msgspec.json.encode(value).decode(),
}


@cache
def columns_of(aggregate: str) -> Mapping[str, Kind]:
    """The columns of an aggregate's events, in order. A field that has another type in another event is `json`."""
    load_contract()
    found: dict[str, Kind] = {}
    for versions in EVENTS.values():
        for kind, _ in versions.values():
            if kind.aggregate() == aggregate:
                for field in inspect.type_info(kind).fields:  # type: ignore[attr-defined]
                    column = _kind(field.type)
                    found[field.encode_name] = column if found.get(field.encode_name, column) == column else "json"
    return {**ATTRIBUTES, **found, OTHER: "json"}


def _kind(type: inspect.Type) -> Kind:
    if isinstance(type, inspect.Metadata):
        return _kind(type.type)
    if isinstance(type, inspect.UnionType):
        kinds = {_kind(each) for each in type.types if not isinstance(each, inspect.NoneType)}
        return kinds.pop() if len(kinds) == 1 else "json"
    if isinstance(type, inspect.LiteralType) and all(isinstance(value, str) for value in type.values):
        return "text"
    return _SIMPLE.get(type.__class__, "json")


def row_of(record: TopicRecord, columns: Mapping[str, Kind]) -> dict[str, Any]:
    """Read the values of a record by column, without columns that it has no value for.

    Raises:
        ValueError: the record is no event, or a value does not fit into its column.
    """
    try:
        return _row_of(record, columns)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _row_of(record: TopicRecord, columns: Mapping[str, Kind]) -> dict[str, Any]:
    given = {name: value.decode() for name, value in record.headers if name in ATTRIBUTES and value is not None}
    for name in REQUIRED:
        if name not in given:
            raise ValueError(f"it has no {name}")
    data = msgspec.json.decode(record.value or b"null")
    if not isinstance(data, dict):
        raise ValueError("its data is no JSON object")
    unknown = {name: data.pop(name) for name in [*data] if name not in columns or name in ATTRIBUTES or name == OTHER}
    row = {name: _READ[columns[name]](value) for name, value in {**given, **data}.items() if value is not None}
    return row | ({OTHER: _READ["json"](unknown)} if unknown else {})
