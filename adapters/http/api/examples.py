"""Examples for OpenAPI, derived from the schemas: a new field of a view or of a body needs no line here.

Fields of one name have one value, so that the examples of different operations belong together.
"""

from typing import Any

SchemaObject = dict[str, Any]
"""An object of OpenAPI or JSON Schema."""

EXAMPLE_ID = "0198f1c2-7b3a-7c4d-9e5f-0a1b2c3d4e5f"
EXAMPLE_USER_ID = "0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f"
EXAMPLE_TIME = "2026-11-22T12:00:00Z"

VALUES: dict[str, Any] = {
    "user_id": EXAMPLE_USER_ID,
    "owner_id": EXAMPLE_USER_ID,
    "payer_id": EXAMPLE_USER_ID,
    "author_id": EXAMPLE_USER_ID,
    "UserView.id": EXAMPLE_USER_ID,
    "email": "grace@example.org",
    "UserView.email": "ada@example.org",
    "name": "Ada Lovelace",
    "TeamView.name": "River watch",
    "ModelList.default": "gpt-5-mini",
    "ModelView.name": "gpt-5-mini",
    "ModelView.input_price": 250_000,
    "ModelView.output_price": 2_000_000,
    "ModelView.context_window": 400_000,
    "ModelView.max_output_tokens": 128_000,
    "ModelView.capabilities": [],
    "ModelView.fallbacks": ["gpt-5-nano"],
    "avatar_url": "https://images.example.org/ada.png",
    "slug": "river-watch",
    "title": "Field notes",
    "VersionDifference.title": {"before": "Notes", "after": "Field notes"},
    "content": "The otters are back.",
    "topic": "document",
    "EventView.type": "document.saved",
    "EventView.sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "EventView.fields": {"revision": 2, "title": "[sealed]"},
    "EventView.sealed": ["/title"],
    "EventView.forgotten": [],
    "StateView.state": {"revision": 2, "status": "draft", "title": "[sealed]"},
    "StateView.sealed": ["/title"],
    "StateView.forgotten": [],
    "StateChange.path": "/status",
    "StateChange.kind": "changed",
    "StateChange.before": "draft",
    "StateChange.after": "published",
    "DifferenceView.not_compared": ["/title"],
    "change": "created",
    "seats": 5,
    "documents_limit": 5,
    "resets_at": "2026-12-01T00:00:00Z",
}
"""Values that read better than those made from the type: by field, or by type and field. Optional: see `example_of`."""


def example_of(schema: SchemaObject, schemas: SchemaObject, field: str = "", owner: str = "") -> Any:
    """Return an example of a schema; a nullable field without an entry in `VALUES` is null.

    `schemas` holds the schemas that `$ref` names; `field` is the name of the field, `owner` the name of its type.
    A feature gives a value of its own with `Field(examples=[...])`.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return example_of(schemas[name], schemas, field, name)
    if "examples" in schema:
        return schema["examples"][0]
    for key in (f"{owner}.{field}", field):
        if key in VALUES:
            return VALUES[key]
    if "anyOf" in schema:
        nullable = {"type": "null"} in schema["anyOf"]
        return None if nullable else example_of(schema["anyOf"][0], schemas, field, owner)
    if "enum" in schema:
        return schema["enum"][0]
    return schema["const"] if "const" in schema else _by_type(schema, schemas, field, owner)


def _by_type(schema: SchemaObject, schemas: SchemaObject, field: str, owner: str) -> Any:
    match schema["type"]:
        case "array":
            return [example_of(schema["items"], schemas, field, owner)]
        case "object" if "properties" in schema:
            return {name: example_of(inner, schemas, name, owner) for name, inner in schema["properties"].items()}
        case "object":
            key = EXAMPLE_ID if schema.get("propertyNames", {}).get("format") == "uuid" else "name"
            return {key: example_of(schema["additionalProperties"], schemas, field, owner)}
        case "string":
            return {"uuid": EXAMPLE_ID, "date-time": EXAMPLE_TIME}.get(schema.get("format", ""), "text")
        case "boolean":
            return False
        case _:
            return max(schema.get("minimum", 1), 1)
