"""What differs between two states: added, removed and changed values by JSON Pointer, long texts as a unified diff."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from application.travel.states import Json, pointer_to
from domain.content.comparison import unified_diff

MAX_CHANGES = 1_000
"""The most changes that are listed."""
SHORT_TEXT = 80
"""The longest text of one line that is shown before and after; of longer ones a unified diff is."""

ChangeKind = Literal["added", "removed", "changed"]
_NONE = object()


@dataclass(frozen=True, slots=True)
class StateChange:
    """A value that differs. `diff`: a unified diff, where both are texts and one is long; then the others are None."""

    path: str
    kind: ChangeKind
    before: Any = None
    after: Any = None
    diff: str | None = None


@dataclass(frozen=True, slots=True)
class StateDifference:
    """What differs between two states. `not_compared`: pointers to values that are sealed in one of them.

    `complete`: whether all changes are listed.
    """

    changes: list[StateChange]
    not_compared: list[str]
    complete: bool


def difference(before: dict[str, Json], after: dict[str, Json], sealed: Iterable[str]) -> StateDifference:
    """Return what differs. `sealed`: pointers to values that are sealed in either state, and so are not compared."""
    hidden = dict.fromkeys(sealed)
    found = list(islice(_changes(before, after, "", hidden), MAX_CHANGES + 1))
    return StateDifference(found[:MAX_CHANGES], [*hidden], len(found) <= MAX_CHANGES)


def _changes(before: Json, after: Json, at: str, hidden: dict[str, None]) -> Iterator[StateChange]:
    if at in hidden:
        return
    if before is _NONE:
        yield StateChange(at, "added", after=after)
    elif after is _NONE:
        yield StateChange(at, "removed", before=before)
    elif isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            place = pointer_to(at, name)
            yield from _changes(before.get(name, _NONE), after.get(name, _NONE), place, hidden)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _changes(_by_place(before), _by_place(after), at, hidden)
    elif type(before) is type(after) and before == after:
        return
    elif isinstance(before, str) and isinstance(after, str) and (_is_long(before) or _is_long(after)):
        yield StateChange(at, "changed", diff=unified_diff(before, after, "before", "after"))
    else:
        yield StateChange(at, "changed", before, after)


def _by_place(items: list[Json]) -> dict[str, Json]:
    return {str(place): item for place, item in enumerate(items)}


def _is_long(text: str) -> bool:
    return len(text) > SHORT_TEXT or "\n" in text
