"""Deltas between texts: an edit stores the difference, so that a history of small edits stays small.

A delta is a list of steps over the old text, from its start: a positive number keeps that many characters, a negative
number drops them, a string is inserted. The rest of the old text after the last step is kept. So `[]` changes nothing.
Characters are code points.
"""

from collections.abc import Iterable, Iterator, Sequence
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
    start = common_start(old, new)
    end = common_end(old, new, min(len(old), len(new)) - start)
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


def steps_of(delta: Delta, format: str) -> Delta:
    """Return the steps of a stored delta.

    Raises:
        UnknownFormat: this code cannot read them.
    """
    if format != FORMAT:
        raise UnknownFormat(format)
    return delta


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
            before, after = pieces_of(old, end_of_piece), pieces_of(new, end_of_piece)
            changes = changes_between(before, after)
            if changes is not None:
                close = merged(in_characters(changes, before, after), MAX_MERGED)
                return from_replacements((start, end, new[first:last]) for start, end, first, last in close)
    return [-len(old), new]


def pieces_of(text: str, end_of_piece: str) -> list[str]:
    """Split the text into characters (`end_of_piece` is empty), or behind each `end_of_piece`."""
    if not end_of_piece:
        return list(text)
    *ended, last = text.split(end_of_piece)
    return [*(piece + end_of_piece for piece in ended), last]


def changes_between(old: Sequence[str], new: Sequence[str]) -> Iterator[Replacement] | None:
    """Return the changes from pieces to pieces of a text, in their order; None: they are too many to find them.

    A replacement counts pieces.

    The library compares inside a band along the diagonal, which is as wide as twice the number of edits allowed.
    """
    signs = {piece: chr(number) for number, piece in enumerate(dict.fromkeys([*old, *new]))}
    before, after = "".join([signs[piece] for piece in old]), "".join([signs[piece] for piece in new])
    max_edits = MAX_STEPS * 32 // max(len(before), len(after))
    edits = Levenshtein.distance(before, after, score_cutoff=max_edits)
    if edits > max_edits:
        return None
    return (
        (change.src_start, change.src_end, change.dest_start, change.dest_end)
        for change in Levenshtein.opcodes(before, after, score_hint=edits)
        if change.tag != "equal"
    )


def in_characters(changes: Iterable[Replacement], old: Sequence[str], new: Sequence[str]) -> Iterator[Replacement]:
    """Yield changes between pieces as changes of the texts, which count characters."""
    old_at, new_at = ([*accumulate(map(len, pieces), initial=0)] for pieces in (old, new))
    for old_start, old_end, new_start, new_end in changes:
        yield old_at[old_start], old_at[old_end], new_at[new_start], new_at[new_end]


def from_replacements(replacements: Iterable[tuple[int, int, str]]) -> Delta:
    """Return the delta that replaces parts of the old text, in their order, each from a start to an end by a text."""
    steps: Delta = []
    at = 0
    for start, end, text in replacements:
        if start < end or text:
            steps += [start - at, start - end, text]
            at = end
    return [step for step in steps if step]


def merged(changes: Iterator[Replacement], max_between: int) -> Iterator[Replacement]:
    """Yield the changes, as one where there is no more than `max_between` between them."""
    old_start, old_end, new_start, new_end = next(changes)
    for change in changes:
        if change[0] - old_end > max_between:
            yield old_start, old_end, new_start, new_end
            old_start, new_start = change[0], change[2]
        old_end, new_end = change[1], change[3]
    yield old_start, old_end, new_start, new_end


def common_start(old: str, new: str) -> int:
    """Return the number of characters that the texts share at their start. Slices: a loop takes 100 times as long."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def common_end(old: str, new: str, limit: int) -> int:
    """Return the number of characters that the texts share at their end, at most `limit`."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if old[len(old) - middle : len(old) - low] == new[len(new) - middle : len(new) - low]:
            low = middle
        else:
            high = middle - 1
    return low
