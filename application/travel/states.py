"""The state of an aggregate as JSON, made of its attributes by their types. JSON Pointers (RFC 6901) name its parts."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from application.travel.seals import FORGOTTEN, SEALED, Seal, SealedList, SealedText
from domain.kernel import Party, Root

RENAMED = {"_id": "id", "_version": "version", "_created_on": "created_at", "_modified_on": "modified_at"}
NOT_SHOWN = "_pending_events"

Json = Any
"""A value of JSON: a dict with texts as keys, a list, a text, a number, a truth value, or None."""


@dataclass(frozen=True, slots=True)
class PlainState:
    """Values as JSON. `seals`: by the pointer to each value that is sealed."""

    values: dict[str, Json]
    seals: dict[str, Seal]


@dataclass(frozen=True, slots=True)
class ShownState:
    """Values as JSON. `sealed`, `forgotten`: pointers to those that are not shown, and to those that are erased."""

    values: dict[str, Json]
    sealed: list[str]
    forgotten: list[str]


def state_of(root: Root) -> PlainState:
    """Return the state of an aggregate."""
    return plain({RENAMED.get(name, name): value for name, value in vars(root).items() if name != NOT_SHOWN})


def plain(values: dict[str, Any]) -> PlainState:
    """Return values by name as JSON. Sets are sorted; ids and times are texts.

    Raises:
        TypeError: a value is of no type that attributes of aggregates have.
    """
    seals: dict[str, Seal] = {}
    return PlainState({name: _plain(value, pointer_to("", name), seals) for name, value in values.items()}, seals)


def _plain(value: Any, at: str, seals: dict[str, Seal]) -> Json:
    if isinstance(value, SealedText | SealedList):
        seals[at] = value.seal
        return SEALED
    if isinstance(value, dict):
        return {_key(name): _plain(item, pointer_to(at, _key(name)), seals) for name, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(item, at, seals) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(item, pointer_to(at, str(place)), seals) for place, item in enumerate(value)]
    return _scalar(value)


def _scalar(value: Any) -> Json:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case UUID():
            return str(value)
        case datetime():
            return moment(value)
        case Party(kind, id):
            return {"kind": kind, "id": str(id)}
    raise TypeError(f"a state cannot show {type(value).__name__}")


def _key(value: object) -> str:
    return value if type(value) is str else str(value)


def moment(value: datetime) -> str:
    """Return a time as RFC 3339 has it, in UTC."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def pointer_to(parent: str, name: str) -> str:
    """Return the pointer to a member of what `parent` points to."""
    return f"{parent}/{name.replace('~', '~0').replace('/', '~1')}"


def parts_of(pointer: str) -> list[str]:
    """Return the names in a pointer, from the outermost on."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def shown(
    state: PlainState,
    erased: Collection[Seal],
    unsealed: PlainState | None = None,
) -> ShownState:
    """Return what to show of a state, which is changed.

    `erased`: the seals whose keys are destroyed. `unsealed`: the same state with all that can be unsealed, if the
    caller may see it.
    """
    sealed, forgotten = [], []
    for pointer, seal in state.seals.items():
        if seal in erased:
            forgotten.append(pointer)
            _put(state.values, pointer, FORGOTTEN)
        elif unsealed is not None:
            _put(state.values, pointer, _get(unsealed.values, parts_of(pointer)))
        else:
            sealed.append(pointer)
    return ShownState(state.values, sealed, forgotten)


def _put(values: Json, pointer: str, value: Json) -> None:
    *parents, last = parts_of(pointer)
    holder = _get(values, parents)
    holder[int(last) if isinstance(holder, list) else last] = value


def _get(values: Json, parts: Iterable[str]) -> Json:
    for part in parts:
        values = values[int(part) if isinstance(values, list) else part]
    return values
