"""What clients rely on, in a few lines: a change of the API is a change of `openapi.txt`, and is seen in review.

Write it anew with `python -m tests.contract.test_openapi`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.http import openapi_schema

GOLDEN = Path(__file__).with_name("openapi.txt")


def summary(schema: dict[str, Any]) -> str:
    """Operations and the types of their bodies and answers."""
    return "\n".join([*operations(schema["paths"]), "", *types(schema["components"]["schemas"])]) + "\n"


def operations(paths: dict[str, Any]) -> Iterator[str]:
    """Method, path, name, scope; what goes in and what comes out; statuses."""
    for path, methods in sorted(paths.items()):
        for method, said in sorted(methods.items()):
            scope = said["security"][0]["token"][0] if "security" in said else "open"
            parameters = [each.get("name") or each["$ref"].rpartition("/")[2] for each in said["parameters"]]
            body = content(said["requestBody"]) if "requestBody" in said else "-"
            good = min(said["responses"])
            yield f"{method.upper()} {path}: {said['operationId']}, {scope}"
            yield f"  ({', '.join(parameters)}) {body} -> {content(said['responses'][good])}"
            yield f"  {' '.join(sorted(said['responses']))}"


def types(schemas: dict[str, Any]) -> Iterator[str]:
    """Every type with its fields; what is not required has a question mark."""
    for name, schema in sorted(schemas.items()):
        required = schema.get("required", ())
        yield f"{name}:"
        for field, kind in schema["properties"].items():
            yield f"  {field}{'' if field in required else '?'}: {type_of(kind)}"


def content(said: dict[str, Any]) -> str:
    """The type of a body or an answer."""
    if "content" not in said:
        return "-"
    ((media, about),) = said["content"].items()
    return type_of(about["schema"]) if media == "application/json" else str(media)


def type_of(schema: dict[str, Any]) -> str:
    """A type in one word or a few."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(map(type_of, schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(repr, schema["enum"]))
    if schema.get("type") == "array":
        return f"[{type_of(schema['items'])}]"
    bounds = [
        f"{name}={schema[name]}"
        for name in ("minLength", "maxLength", "pattern", "minimum", "maximum")
        if name in schema
    ]
    return " ".join(
        [repr(schema["const"]) if "const" in schema else schema["type"], schema.get("format", ""), *bounds]
    ).strip()


def test_the_contract_is_the_one_that_was_reviewed() -> None:
    assert summary(openapi_schema()) == GOLDEN.read_text()


if __name__ == "__main__":
    GOLDEN.write_text(summary(openapi_schema()))
