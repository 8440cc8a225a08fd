"""The API contract, in short: a change of the API is a change of a file in `openapi/`, and is seen in review.

There is a file for the operations of each tag and the types that only they use; `types.txt` has the types that
operations of several tags use, `headers.txt` the headers, the responses that operations share, and the authentication.
`python -m tests.contract.test_openapi` writes them.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.http import openapi_schema

GOLDEN = Path(__file__).with_name("openapi")
SHARED = "types"
HEADERS = "headers"

Schema = dict[str, Any]


def summaries(schema: Schema) -> dict[str, str]:
    """The contents of the files, by name."""
    tagged = by_tag(schema["paths"])
    schemas = schema["components"]["schemas"]
    users = defaultdict(set)
    for tag, paths in tagged.items():
        for name in used(paths, schemas):
            users[name].add(tag)
    files = {}
    for tag, paths in tagged.items():
        own = {name: kind for name, kind in schemas.items() if users[name] == {tag}}
        files[tag] = "\n".join([*operations(paths), "", *types(own)]).rstrip() + "\n"
    shared = {name: kind for name, kind in schemas.items() if len(users[name]) != 1}
    components = schema["components"]
    return {**files, SHARED: "\n".join(types(shared)) + "\n", HEADERS: "\n".join(headers(components)) + "\n"}


def by_tag(paths: Schema) -> dict[str, Schema]:
    """The paths of each tag, with its operations only."""
    tagged: dict[str, Schema] = defaultdict(lambda: defaultdict(dict))
    for path, methods in paths.items():
        for method, said in methods.items():
            (tag,) = said["tags"]
            tagged[tag][path][method] = said
    return tagged


def used(part: object, schemas: Schema) -> set[str]:
    """The names of all types that a part of the schema refers to, directly or through other types."""
    found: set[str] = set()
    new = referred(part)
    while new:
        found |= new
        new = {inner for name in new for inner in referred(schemas[name])} - found
    return found


def referred(part: object) -> set[str]:
    """The names of the types in the references of a part."""
    return set(re.findall("'#/components/schemas/(.*?)'", repr(part)))


def operations(paths: Schema) -> Iterator[str]:
    """Method, path, name, scope and least role; what goes in and what comes out; statuses."""
    for path, methods in sorted(paths.items()):
        for method, said in sorted(methods.items()):
            access = access_of(said)
            parameters = [each.get("name") or each["$ref"].rpartition("/")[2] for each in said["parameters"]]
            body = content(said["requestBody"]) if "requestBody" in said else "-"
            good = min(said["responses"])
            yield f"{method.upper()} {path}: {said['operationId']}, {access}"
            yield f"  ({', '.join(parameters)}) {body} -> {content(said['responses'][good])}"
            yield f"  {' '.join(sorted(said['responses']))}"


def access_of(said: Schema) -> str:
    """The scope of the token, the action in the access table, and the role that it takes."""
    if "security" not in said:
        return "open"
    access = said["x-access"]
    return f"{said['security'][0]['token'][0]}, {access['action']} {access['resource']}: {access['role']}"


def types(schemas: Schema) -> Iterator[str]:
    """Every type with its fields; what is not required has a question mark."""
    for name, schema in sorted(schemas.items()):
        required = schema.get("required", ())
        yield f"{name}:"
        for field, kind in schema["properties"].items():
            yield f"  {field}{'' if field in required else '?'}: {type_of(kind)}"


def headers(components: Schema) -> Iterator[str]:
    """Request headers with an example, response headers, shared responses with their headers, and authentication."""
    for said in components.get("parameters", {}).values():
        yield f"{said['in']} {said['name']}: {type_of(said['schema'])}, as in {said['example']}"
    for name, said in sorted(components.get("headers", {}).items()):
        yield f"{name}: {type_of(said['schema'])}"
    for status, said in sorted(components.get("responses", {}).items()):
        yield f"{status}: {' '.join(sorted(said['headers']))} {content(said)}"
    for name, said in sorted(components.get("securitySchemes", {}).items()):
        yield f"{name}: {said}"


def content(said: Schema) -> str:
    """The type of a body or an answer."""
    if "content" not in said:
        return "-"
    return " or ".join(
        type_of(about["schema"]) if media == "application/json" else _of_media(media, about)
        for media, about in said["content"].items()
    )


def _of_media(media: str, about: Schema) -> str:
    """A media type, and the type of JSON of that kind."""
    return f"{type_of(about['schema'])} as {media}" if "$ref" in about["schema"] and "problem" not in media else media


def type_of(schema: Schema) -> str:
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
        [repr(schema["const"]) if "const" in schema else schema.get("type", "any"), schema.get("format", ""), *bounds]
    ).strip()


def golden() -> dict[str, str]:
    """The reviewed contents, by name."""
    return {path.stem: path.read_text() for path in GOLDEN.glob("*.txt")}


def test_the_contract_is_the_one_that_was_reviewed() -> None:
    assert summaries(openapi_schema()) == golden()


def test_each_operation_and_each_type_is_in_one_file() -> None:
    schema = openapi_schema()
    text = "".join(golden().values())
    for said in (said for methods in schema["paths"].values() for said in methods.values()):
        assert text.count(f": {said['operationId']}, ") == 1
    for name in schema["components"]["schemas"]:
        assert len(re.findall(f"^{name}:$", text, re.MULTILINE)) == 1


def test_a_type_that_two_tags_use_is_shared() -> None:
    def operation(tag: str, *names: str) -> Schema:
        of = [{"$ref": f"#/components/schemas/{name}"} for name in names]
        content = {"application/json": {"schema": {"anyOf": of}}}
        return {"operationId": tag, "tags": [tag], "parameters": [], "responses": {"200": {"content": content}}}

    schemas: Schema = {name: {"properties": {}} for name in ("Ours", "Theirs", "Both")}
    schemas["Inner"] = {"properties": {}}
    schemas["Theirs"]["properties"] = {"inner": {"$ref": "#/components/schemas/Inner"}}
    paths = {"/a": {"get": operation("a", "Ours", "Both")}, "/b": {"get": operation("b", "Theirs", "Both")}}
    found = summaries({"paths": paths, "components": {"schemas": schemas}})
    assert "Ours:\n" in found["a"]
    assert "Theirs:\n  inner?: Inner\n" in found["b"]
    assert "Inner:\n" in found["b"]
    assert found[SHARED] == "Both:\n"


def write() -> None:
    """Write the files, and remove the files of removed tags."""
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.txt"):
        path.unlink()
    for name, text in summaries(openapi_schema()).items():
        (GOLDEN / f"{name}.txt").write_text(text)


if __name__ == "__main__":
    write()
