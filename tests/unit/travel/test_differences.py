"""Differences between two states."""

from typing import Any

import pytest

from application.travel.differences import MAX_CHANGES, StateChange, difference


def changes(before: dict[str, Any], after: dict[str, Any], *sealed: str) -> list[StateChange]:
    return difference(before, after, sealed).changes


def test_equal_states_do_not_differ() -> None:
    found = difference({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, [])
    assert (found.changes, found.not_compared, found.complete) == ([], [], True)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({}, {"a/b": None}, StateChange("/a~1b", "added", after=None)),
        ({"a": {"b": 1}}, {"a": {}}, StateChange("/a/b", "removed", before=1)),
        ({"a": [1, 2]}, {"a": [1]}, StateChange("/a/1", "removed", before=2)),
        ({"a": 1}, {"a": True}, StateChange("/a", "changed", 1, True)),
        ({"a": "one"}, {"a": "two"}, StateChange("/a", "changed", "one", "two")),
        ({"a": []}, {"a": {}}, StateChange("/a", "changed", [], {})),
    ],
)
def test_a_change_says_where_and_what(before: dict[str, Any], after: dict[str, Any], change: StateChange) -> None:
    assert changes(before, after) == [change]


def test_long_texts_differ_as_a_unified_diff() -> None:
    [change] = changes({"content": "one\ntwo\n"}, {"content": "one\nthree\n"})
    assert (change.path, change.kind, change.before, change.after) == ("/content", "changed", None, None)
    assert change.diff == "--- before\n+++ after\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n"


def test_what_is_sealed_in_either_state_is_not_compared() -> None:
    found = difference({"a": "[sealed]", "b": 1}, {"a": "known", "b": 2}, ["/a"])
    assert found.changes == [StateChange("/b", "changed", 1, 2)]
    assert found.not_compared == ["/a"]


def test_a_difference_of_very_many_changes_is_cut() -> None:
    found = difference({}, {str(number): number for number in range(MAX_CHANGES + 1)}, [])
    assert (len(found.changes), found.complete) == (MAX_CHANGES, False)
