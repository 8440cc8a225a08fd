"""The public schemas cannot break consumers unnoticed: each schema must equal its reviewed file in `streams/`.

`python -m tests.contract.test_streams` writes new and extended schemas; it refuses changes that break consumers.
"""

import json
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from adapters.integration_events.asyncapi import example_headers, headers_of
from adapters.integration_events.contract import DIALECT, example_of, published, schema_of
from tests.contract.gate import breakages

FOLDER = Path(__file__).with_name("streams")
"""A folder for each aggregate, in it a file for each type."""
CREATED = "palimpsest.document.created.v1"
SAVED = "palimpsest.document.saved.v1"
CHANGED = "palimpsest.subscription.plan_changed.v1"

Schemas = dict[str, dict[str, Any]]


def golden() -> Schemas:
    """The reviewed schemas."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.rglob("*.json"))}


def current() -> Schemas:
    """The schemas of the classes as they are now."""
    return {type: schema_of(kind) for type, kind in published().items()}


def file_of(type: str) -> Path:
    """The file of a type's schema."""
    return FOLDER / published()[type].aggregate() / f"{type}.json"


def write() -> None:
    """Write the files of all schemas, unless a change breaks consumers."""
    found = breakages(golden(), current())
    if found:
        sys.exit("\n".join(found))
    for type, schema in current().items():
        file_of(type).parent.mkdir(parents=True, exist_ok=True)
        file_of(type).write_text(json.dumps(schema, indent=2) + "\n")


def test_nothing_breaks_consumers() -> None:
    assert breakages(golden(), current()) == []


def test_the_contract_is_the_one_that_was_reviewed() -> None:
    assert current() == golden(), "Review the difference, then write it with: python -m tests.contract.test_streams"


def test_each_schema_is_in_the_folder_of_its_aggregate() -> None:
    assert sorted(FOLDER.rglob("*.json")) == sorted(map(file_of, published()))


@pytest.mark.parametrize("type", published())
def test_a_schema_is_valid_and_describes_every_field(type: str) -> None:
    schema = schema_of(published()[type])
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == DIALECT
    assert schema["description"].endswith(".")
    assert all(field["description"].endswith((".", "2026-11")) for field in schema["properties"].values())
    example = example_of(published()[type])
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(example)
    assert None not in example.values()


@pytest.mark.parametrize("type", published())
def test_the_example_of_headers_fits_their_schema_and_has_no_others(type: str) -> None:
    kind = published()[type]
    schema, example = headers_of(kind), example_headers(kind)
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(example)
    assert example.keys() <= schema["properties"].keys()


def remove(schemas: Schemas) -> None:
    del schemas[CREATED]["properties"]["owner_id"]


def rename(schemas: Schemas) -> None:
    properties = schemas[CREATED]["properties"]
    properties["author_id"] = properties.pop("owner_id")


def retype(schemas: Schemas) -> None:
    schemas[CREATED]["properties"]["owner_id"] = {"type": "integer"}


def reformat(schemas: Schemas) -> None:
    del schemas[CREATED]["properties"]["occurred_at"]["format"]


def empty(schemas: Schemas) -> None:
    schemas[CREATED]["properties"]["owner_id"] = {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}


def fill(schemas: Schemas) -> None:
    schemas[SAVED]["properties"]["title_length"] = {"type": "integer", "minimum": 0}


def demand(schemas: Schemas) -> None:
    schemas[CREATED]["properties"]["words"] = {"type": "integer"}
    schemas[CREATED]["required"].append("words")


def release(schemas: Schemas) -> None:
    schemas[CREATED]["required"].remove("owner_id")


def bound(schemas: Schemas) -> None:
    schemas[CREATED]["properties"]["version"]["maximum"] = 1000


def narrow(schemas: Schemas) -> None:
    schemas[CHANGED]["properties"]["plan"]["enum"].remove("enterprise")


def open_up(schemas: Schemas) -> None:
    del schemas[CHANGED]["properties"]["plan"]["enum"]
    schemas[CHANGED]["properties"]["plan"]["type"] = "string"


def narrow_within(schemas: Schemas) -> None:
    alternatives = schemas[SAVED]["properties"]["title_length"]["anyOf"]
    alternatives[0]["maximum"] = 10


def drop(schemas: Schemas) -> None:
    del schemas[CREATED]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (remove, "the field owner_id was removed"),
        (rename, "the field owner_id was removed"),
        (retype, "the field owner_id changed its type"),
        (reformat, "the field occurred_at changed its type"),
        (empty, "the field owner_id changed its type"),
        (fill, "the field title_length changed its type"),
        (demand, "the new field words is required"),
        (release, "the field owner_id is optional now"),
        (bound, "the field version changed its type"),
        (narrow, "the field plan no longer has the values ['enterprise']"),
        (open_up, "the field plan changed its type"),
        (narrow_within, "the field title_length changed its type"),
        (drop, "is no longer published"),
    ],
)
def test_a_planted_breakage_is_found_and_the_message_says_what_to_do(
    change: Callable[[Schemas], None], said: str
) -> None:
    schemas = deepcopy(golden())
    change(schemas)
    found = breakages(golden(), schemas)
    assert said in " ".join(found)
    assert all("v2 beside it" in sentence or "bring it back" in sentence for sentence in found)


def test_a_field_that_becomes_required_breaks_consumers_of_the_past() -> None:
    before = deepcopy(golden())
    before[CREATED]["required"].remove("owner_id")
    (found,) = breakages(before, golden())
    assert "the field owner_id is required now" in found


def add_optional(schemas: Schemas) -> None:
    schemas[CREATED]["properties"]["words"] = {"type": "integer"}


def add_event(schemas: Schemas) -> None:
    schemas["palimpsest.document.created.v2"] = schemas[CREATED]


def widen(schemas: Schemas) -> None:
    schemas[CHANGED]["properties"]["plan"]["enum"].append("student")


def reword(schemas: Schemas) -> None:
    schemas[CREATED]["properties"]["owner_id"]["description"] = "Whose it is."


@pytest.mark.parametrize("change", [add_optional, add_event, widen, reword])
def test_additions_break_no_consumer(change: Callable[[Schemas], None]) -> None:
    schemas = deepcopy(golden())
    change(schemas)
    assert breakages(golden(), schemas) == []


if __name__ == "__main__":
    write()
