"""How one text becomes another: what an edit stores, so that a history of small edits stays small.

A delta is a list of steps over the old text, from its start: a positive number keeps that many characters, a negative
one drops them, a string is put in. Whatever is left of the old text after the last step is kept. So `[]` changes
nothing. Characters are code points.
"""

import fast_diff_match_patch

Delta = list[int | str]

# Past these the finer differences are given up: the delta gets longer, never wrong. Time alone bounds nothing, for the
# library looks at the clock between passes over the texts only.
SECONDS = 0.02
MOST = 50_000
"""How many characters (or, of longer texts, lines) of both together are compared."""


def make(old: str, new: str) -> Delta:
    """The delta for which `apply(old, delta) == new`."""
    if old == new:
        return []
    start = _common_start(old, new)
    end = _common_end(old, new, min(len(old), len(new)) - start)
    steps: Delta = [start] if start else []
    return steps + _steps(old[start : len(old) - end], new[start : len(new) - end])


def apply(old: str, delta: Delta) -> str:
    """The new text. Any delta applies to any text, if without sense: an erased text must not stop a replay."""
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


def _steps(old: str, new: str) -> Delta:
    """The delta between texts that have no start and no end in common."""
    if not old or not new:
        return [step for step in (-len(old), new) if step]
    return _by_characters(old, new) if len(old) + len(new) <= MOST else _by_lines(old, new)


def _by_characters(old: str, new: str) -> Delta:
    steps: Delta = []
    at = 0
    for kind, count in fast_diff_match_patch.diff(old, new, timelimit=SECONDS, cleanup="Efficiency", counts_only=True):
        if kind == "-":
            steps.append(-count)
            continue
        steps.append(count if kind == "=" else new[at : at + count])
        at += count
    return steps


def _by_lines(old: str, new: str) -> Delta:
    """As by characters, with a character in the place of each line."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    if len(before) + len(after) > MOST:
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
    """How many characters the texts share at their start. Compares slices: a loop takes 100 times as long."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_end(old: str, new: str, most: int) -> int:
    """How many characters the texts share at their end, at most `most`."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low
