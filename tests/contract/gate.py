"""Compares two versions of a JSON Schema and finds the changes that break consumers.

Topics keep every record ever published, so a schema also describes old records: it may not require more than before,
and it may not omit what it promised.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

WORDS = {"title", "description", "examples", "$schema", "$id", "properties", "required", "enum", "$defs"}
"""Keywords that may change, or that are compared separately."""


def breakages(before: Mapping[str, Schema], now: Mapping[str, Schema]) -> list[str]:
    """The changes that break consumers, each as a sentence that says what to do. Both arguments: schemas by type."""
    found = []
    for type, schema in before.items():
        if type not in now:
            found.append(f"{type} is no longer published, and consumers depend on it: bring it back.")
        else:
            found += [f"{type}: {what}. {remedy(type)}" for what in differences(schema, now[type])]
    return found


def remedy(type: str) -> str:
    """The advice for a breaking change of this type."""
    name, _, version = type.rpartition(".v")
    later = int(version) + 1
    return (
        f"Consumers depend on v{version}: leave it as it is, and add {name}.v{later} beside it, as a class of its own"
        f" with VERSION = {later}."
    )


def differences(before: Schema, now: Schema, at: str = "") -> Iterator[str]:
    """The promises of `before` that `now` breaks."""
    if keywords(before) != keywords(now):
        yield f"{at or 'the whole'} changed its type from {keywords(before)} to {keywords(now)}"
    missing = [value for value in before.get("enum", ()) if value not in now.get("enum", before["enum"])]
    if missing:
        yield f"{at} no longer has the values {missing}"
    yield from fields(before, now, at)
    for name, schema in before.get("$defs", {}).items():
        yield from differences(schema, now.get("$defs", {}).get(name, {}), f"{at}{name}: ")


def fields(before: Schema, now: Schema, at: str) -> Iterator[str]:
    """The broken promises about the fields of an object."""
    old, new = before.get("properties", {}), now.get("properties", {})
    needed, needed_now = set(before.get("required", ())), set(now.get("required", ()))
    for name, schema in old.items():
        if name not in new:
            yield f"the field {at}{name} was removed"
            continue
        if name in needed_now - needed:
            yield f"the field {at}{name} is required now"
        if name in needed - needed_now:
            yield f"the field {at}{name} is optional now"
        yield from differences(schema, new[name], f"the field {at}{name}")
    for name in new.keys() - old.keys():
        if name in needed_now:
            yield f"the new field {at}{name} is required (give it a default)"


def keywords(schema: Schema) -> dict[str, Any]:
    """The keywords that constrain values, without texts for people and without those compared separately."""
    kept = {name: _inner(value) for name, value in schema.items() if name not in WORDS}
    return kept | ({"enum": "some"} if "enum" in schema else {})


def _inner(value: Any) -> Any:
    """The value of a keyword without texts for people. Any other difference within it is a change."""
    if isinstance(value, Mapping):
        return {name: _inner(inner) for name, inner in value.items() if name not in ("title", "description")}
    return [_inner(each) for each in value] if isinstance(value, list) else value
