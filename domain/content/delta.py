"""Deltas between texts: an edit stores the difference, so that a history of small edits stays small.

A delta is a list of steps over the old text, from its start: a positive number keeps that many characters, a negative
number drops them, a string is inserted. The rest of the old text after the last step is kept. So `[]` changes nothing.
Characters are code points.
"""

from typing import Literal

import fast_diff_match_patch

Delta = list[int | str]
DeltaFormat = Literal["delta/1"]

FORMAT: DeltaFormat = "delta/1"
"""The form of a delta, as above. It is stored beside each delta: another form gets another name."""

# Beyond these limits the delta gets longer, never wrong. The timeout alone is no bound, because the library reads the
# clock only between passes over the texts.
DIFF_TIMEOUT_SECONDS = 0.02
MAX_COMPARED = 50_000
"""Maximum number of characters (or, in longer texts, lines) of both texts together that are compared."""


class UnknownFormat(Exception):
    """A delta has a form that this code cannot read."""


def make(old: str, new: str) -> Delta:
    """Return a delta for which `apply(old, delta) == new`."""
    if old == new:
        return []
    start = _common_start(old, new)
    end = _common_end(old, new, min(len(old), len(new)) - start)
    steps: Delta = [start] if start else []
    return steps + _steps(old[start : len(old) - end], new[start : len(new) - end])


def apply(old: str, delta: Delta) -> str:
    """Return the new text. Every delta applies to every text: an erased text must not stop a replay."""
    if not delta:
        return old
    parts = []
    at = 0
    for step in delta:
        if isinstance(step, str):
            parts.append(step)
        elif step > 0:
            parts.append(old[at : at + step])
            at += step
        else:
            at -= step
    parts.append(old[at:])
    return "".join(parts)


def count(delta: Delta) -> tuple[int, int]:
    """Return how many characters the delta inserts and how many it deletes."""
    inserted = sum([len(step) for step in delta if isinstance(step, str)])
    return inserted, -sum([step for step in delta if isinstance(step, int) and step < 0])


def _steps(old: str, new: str) -> Delta:
    """Return the delta between texts that have no start and no end in common."""
    if not old or not new:
        return [step for step in (-len(old), new) if step]
    return _by_characters(old, new) if len(old) + len(new) <= MAX_COMPARED else _by_lines(old, new)


def _by_characters(old: str, new: str) -> Delta:
    steps: Delta = []
    at = 0
    for kind, count in fast_diff_match_patch.diff(
        old, new, timelimit=DIFF_TIMEOUT_SECONDS, cleanup="Efficiency", counts_only=True
    ):
        if kind == "-":
            steps.append(-count)
            continue
        steps.append(count if kind == "=" else new[at : at + count])
        at += count
    return steps


def _by_lines(old: str, new: str) -> Delta:
    """Compare lines: each line is replaced by one character, and then characters are compared."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if len(before) + len(after) > MAX_COMPARED:
        return [-len(old), new]
    lines = list(dict.fromkeys(before + after))
    signs = {line: chr(number) for number, line in enumerate(lines)}
    steps: Delta = []
    at = 0
    for step in _by_characters("".join(signs[line] for line in before), "".join(signs[line] for line in after)):
        if isinstance(step, str):
            steps.append("".join(lines[ord(sign)] for sign in step))
            continue
        length = sum(len(line) for line in before[at : at + abs(step)])
        steps.append(length if step > 0 else -length)
        at += abs(step)
    return steps


def _common_start(old: str, new: str) -> int:
    """Return the number of characters that the texts share at their start. Slices: a loop takes 100 times as long."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(old: str, new: str, limit: int) -> int:
    """Return the number of characters that the texts share at their end, at most `limit`."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low
