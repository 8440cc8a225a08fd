"""Examples of OpenAPI are derived from the schemas, fit them, and belong together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema_rs
import pytest
from pydantic import Field, TypeAdapter

from adapters.http.api.examples import EXAMPLE_ID, EXAMPLE_TIME, EXAMPLE_USER_ID, example_of
from tests.support.http import openapi_schema

SCHEMA = openapi_schema()


def examples() -> list[tuple[str, Any, Any]]:
    """The name of each body and each response, its schema and its example."""
    operations = [operation for methods in SCHEMA["paths"].values() for operation in methods.values()]
    bodies = {name: schema for name, schema in SCHEMA["components"]["schemas"].items() if "examples" in schema}
    found = [(name, schema, schema["examples"][0]) for name, schema in bodies.items()]
    for operation in operations:
        content = operation["responses"][min(operation["responses"])].get("content", {})
        if "application/json" in content:
            about = content["application/json"]
            found.append((operation["operationId"], about["schema"], about["example"]))
    return found


@pytest.mark.parametrize(("name", "schema", "example"), examples())
def test_an_example_fits_its_schema(name: str, schema: Any, example: Any) -> None:
    jsonschema_rs.validate({**schema, "components": SCHEMA["components"]}, example, validate_formats=True)


def test_there_are_examples_to_look_at() -> None:
    assert {"NewDocument", "get_document", "list_teams", "jwks"} <= {name for name, _, _ in examples()}


@dataclass
class Part:
    """A part of a view."""

    owner_id: UUID
    kind: Literal["small", "large"]


@dataclass
class View:
    """A view with fields of every type."""

    id: UUID
    number: Annotated[int, Field(ge=7)]
    text: str
    title: str | None
    ended_at: datetime | None
    since: datetime
    flag: bool
    parts: list[Part]
    counts: dict[str, int]
    colour: Annotated[str, Field(examples=["ochre"])]


def test_a_new_field_has_an_example_by_its_name_and_type() -> None:
    schema = TypeAdapter(View).json_schema(ref_template="#/components/schemas/{model}")
    assert example_of(schema, schema["$defs"]) == {
        "id": EXAMPLE_ID,
        "number": 7,
        "text": "text",
        "title": "Field notes",
        "ended_at": None,
        "since": EXAMPLE_TIME,
        "flag": False,
        "parts": [{"owner_id": EXAMPLE_USER_ID, "kind": "small"}],
        "counts": {"name": 1},
        "colour": "ochre",
    }
