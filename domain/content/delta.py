"""Deltas between texts: an edit stores the difference, so that a history of small edits stays small.

A delta is a list of steps over the old text, from its start: a positive number keeps that many characters, a negative
number drops them, a string is inserted. The rest of the old text after the last step is kept. So `[]` changes nothing.
Characters are code points.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Literal

from rapidfuzz.distance import Levenshtein

Delta = list[int | str]
DeltaFormat = Literal["delta/1"]

Replacement = tuple[int, int, int, int]
"""A replaced part: its start and end in the old text, and those of its replacement in the new text."""

FORMAT: DeltaFormat = "delta/1"
"""The form of a delta, as above. It is stored beside each delta: another form gets another name."""

# Beyond these limits the delta gets longer, never wrong. Both count work, not time: the same texts always have the same
# delta, and no text takes more than about 50 ms.
MAX_PIECES = 50_000
"""Maximum number of characters, words or lines of both texts together that are compared."""
MAX_STEPS = 2**19
"""Maximum number of steps of one comparison. A step compares a piece of one text with 64 of the other."""
MAX_MERGED = 4
"""Maximum number of characters between two changes that are stored again, because to keep them takes as much."""


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
    if not delta:
        return 0, 0
    inserted = sum([len(step) for step in delta if isinstance(step, str)])
    return inserted, -sum([step for step in delta if isinstance(step, int) and step < 0])


def _steps(old: str, new: str) -> Delta:
    """Return the delta between texts that share no start and no end. Compares as finely as the limits allow."""
    if not old or not new:
        return [step for step in (-len(old), new) if step]
    for end_of_piece in ("", " ", "\n"):
        if old.count(end_of_piece) + new.count(end_of_piece) <= MAX_PIECES:
            changes = _changes(_pieces(old, end_of_piece), _pieces(new, end_of_piece))
            if changes is not None:
                return _as_delta(new, changes)
    return [-len(old), new]


def _pieces(text: str, end_of_piece: str) -> list[str]:
    """Split the text into characters (`end_of_piece` is empty), or behind each `end_of_piece`."""
    if not end_of_piece:
        return list(text)
    *ended, last = text.split(end_of_piece)
    return [*(piece + end_of_piece for piece in ended), last]


def _changes(old: list[str], new: list[str]) -> Iterator[Replacement] | None:
    """Return the changes in the order of the texts, in characters; None: they are too many to find them.

    The library compares inside a band along the diagonal, which is as wide as twice the number of edits allowed.
    """
    signs = {piece: chr(number) for number, piece in enumerate(dict.fromkeys(old + new))}
    before, after = "".join([signs[piece] for piece in old]), "".join([signs[piece] for piece in new])
    max_edits = MAX_STEPS * 32 // max(len(before), len(after))
    edits = Levenshtein.distance(before, after, score_cutoff=max_edits)
    if edits > max_edits:
        return None
    old_at, new_at = _starts(old), _starts(new)
    return (
        (old_at[change.src_start], old_at[change.src_end], new_at[change.dest_start], new_at[change.dest_end])
        for change in Levenshtein.opcodes(before, after, score_hint=edits)
        if change.tag != "equal"
    )


def _starts(pieces: list[str]) -> list[int]:
    """Return where each piece starts in its text, and the length of the text."""
    return list(accumulate([len(piece) for piece in pieces], initial=0))


def _as_delta(new: str, changes: Iterator[Replacement]) -> Delta:
    steps: Delta = []
    at = 0
    for old_start, old_end, new_start, new_end in _merged(changes):
        steps += [old_start - at, old_start - old_end, new[new_start:new_end]]
        at = old_end
    return [step for step in steps if step]


def _merged(changes: Iterator[Replacement]) -> Iterator[Replacement]:
    """Yield the changes, as one where there is little between them."""
    old_start, old_end, new_start, new_end = next(changes)
    for change in changes:
        if change[0] - old_end > MAX_MERGED:
            yield old_start, old_end, new_start, new_end
            old_start, new_start = change[0], change[2]
        old_end, new_end = change[1], change[3]
    yield old_start, old_end, new_start, new_end


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
