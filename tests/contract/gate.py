"""What consumers of the stream rely on, and what breaks it: two versions of a JSON Schema, compared.

All that was ever published stays in the topics, so that a schema describes the past, too: nothing may be demanded now
that was not always so, and nothing may be left out that was promised.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

WORDS = {"title", "description", "examples", "$schema", "$id", "properties", "required", "enum", "$defs"}
"""What may change, or is compared by itself."""


def breakages(before: Mapping[str, Schema], now: Mapping[str, Schema]) -> list[str]:
    """What breaks consumers, a sentence each that says what to do. Both: schemas by the type of what is published."""
    found = []
    for type, schema in before.items():
        if type not in now:
            found.append(f"{type} is no longer published. Consumers wait for it: bring it back.")
        else:
            found += [f"{type}: {what}. {remedy(type)}" for what in differences(schema, now[type])]
    return found


def remedy(type: str) -> str:
    """What to do instead."""
    name, _, version = type.rpartition(".v")
    later = int(version) + 1
    return (
        f"Consumers rely on it as it was: leave v{version} as it is, and make {name}.v{later} beside it, a class and a"
        f" mapping of its own with VERSION = {later}."
    )


def differences(before: Schema, now: Schema, at: str = "") -> Iterator[str]:
    """What of a schema is no longer as promised."""
    if keywords(before) != keywords(now):
        yield f"{at or 'the whole'} changed its type from {keywords(before)} to {keywords(now)}"
    missing = [value for value in before.get("enum", ()) if value not in now.get("enum", before["enum"])]
    if missing:
        yield f"{at} no longer has the values {missing}"
    yield from fields(before, now, at)
    for name, schema in before.get("$defs", {}).items():
        yield from differences(schema, now.get("$defs", {}).get(name, {}), f"{at}{name}: ")


def fields(before: Schema, now: Schema, at: str) -> Iterator[str]:
    """The same of the fields of an object."""
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
    """All that says what values are like, without words for people, and without what is compared by itself."""
    kept = {name: _inner(value) for name, value in schema.items() if name not in WORDS}
    return kept | ({"enum": "some"} if "enum" in schema else {})


def _inner(value: Any) -> Any:
    """The same within a keyword, where nothing is compared by itself: any change counts."""
    if isinstance(value, Mapping):
        return {name: _inner(inner) for name, inner in value.items() if name not in ("title", "description")}
    return [_inner(each) for each in value] if isinstance(value, list) else value
