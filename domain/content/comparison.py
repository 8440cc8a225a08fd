"""Differences between two versions of a text, for people to read: changed words, and a unified diff of lines.

The work is bounded, as that of a delta (`delta.py`): what takes too long to compare is compared more coarsely. Words
are those of Unicode (Standard Annex 29), so no change begins inside of a character of several code points.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

import regex

from domain.content.delta import (
    MAX_PIECES,
    Replacement,
    changes_between,
    common_end,
    common_start,
    in_characters,
    merged,
    pieces_of,
)

MAX_SEGMENTED = 200_000
"""Maximum number of characters of both texts together that are split into words: more would take over 50 ms."""
MAX_FLAGS = 2_000
"""Maximum number of letters of flags in a text that is split into words: `regex` takes the square of a run's length."""
CONTEXT_LINES = 3
"""Unchanged lines around a change in a unified diff."""

WORDS = regex.compile(r"\b", regex.V1 | regex.WORD)
FLAG_LETTERS = regex.compile(r"\p{Regional_Indicator}")
PHRASES = regex.compile(r"[ \n]\K(?=[\p{L}\p{N}])")
"""Places that are boundaries of words whatever stands around them: between a space and a letter or digit. A pattern
that only looks back takes 15 times as long where there is no space.
"""
LINE_ENDS = regex.compile(r"\n")
LAST_PHRASE = regex.compile(r"(?r)(?<=[ \n])(?=[\p{L}\p{N}])")


def word_changes(old: str, new: str) -> list[Replacement]:
    """Return the changed words of two texts, in their order: as places in both, in code points."""
    if old == new:
        return []
    start, end = _different(old, new)
    parts = old[start : len(old) - end], new[start : len(new) - end]
    return [
        (old_start + start, old_end + start, new_start + start, new_end + start)
        for old_start, old_end, new_start, new_end in merged(_changes(*parts), 0)
    ]


def unified_diff(old: str, new: str, old_name: str, new_name: str) -> str:
    """Return a unified diff of two texts; an empty text if they are the same. Lines end with a line feed only."""
    before, after = _lines(old), _lines(new)
    changes = _line_changes(old, new, before, after)
    if not changes:
        return ""
    parts = [f"--- {old_name}\n", f"+++ {new_name}\n"]
    for hunk in _hunks(changes):
        parts += _hunk(hunk, before, after)
    return "".join(parts)


def _different(old: str, new: str) -> tuple[int, int]:
    """Return how many characters the texts share at their start and at their end, up to a boundary of words."""
    start = common_start(old, new)
    end = common_end(old, new, min(len(old), len(new)) - start)
    first = LAST_PHRASE.search(old, 0, start)
    last = PHRASES.search(old, len(old) - end) if end else None
    return first.start() if first else 0, len(old) - last.start() if last else 0


def _changes(old: str, new: str) -> Iterator[Replacement]:
    """Yield the changes of two texts, between words, or between larger pieces where words are too many."""
    for boundary in (WORDS, PHRASES, LINE_ENDS):
        if boundary is WORDS and not _has_few_words(old, new):
            continue
        before, after = _split(old, boundary), _split(new, boundary)
        found = changes_between(before, after) if len(before) + len(after) <= MAX_PIECES else None
        if found is not None:
            yield from in_characters(found, before, after)
            return
    yield 0, len(old), 0, len(new)


def _has_few_words(old: str, new: str) -> bool:
    """Return whether the texts can be split into words in bounded time."""
    return len(old) + len(new) <= MAX_SEGMENTED and all(
        sum(1 for _ in FLAG_LETTERS.finditer(text)) <= MAX_FLAGS for text in (old, new)
    )


def _split(text: str, boundary: "regex.Pattern[str]") -> list[str]:
    """Return the pieces of a text between boundaries. Of too many, the last piece is the rest."""
    places = [match.end() for match in islice(boundary.finditer(text), MAX_PIECES + 1)]
    return [text[start:end] for start, end in pairwise([0, *places, len(text)]) if start < end]


def _lines(text: str) -> list[str]:
    return [line for line in pieces_of(text, "\n") if line]


def _line_changes(old: str, new: str, before: Sequence[str], after: Sequence[str]) -> list[Replacement]:
    """Return the changed lines, as places in both lists."""
    if old == new:
        return []
    start = common_start(old, new)
    end = common_end(old, new, min(len(old), len(new)) - start)
    first = old.count("\n", 0, start)
    _, _, shared = old[len(old) - end :].partition("\n")
    last = len(_lines(shared))
    old_part, new_part = before[first : len(before) - last], after[first : len(after) - last]
    found = None
    if old_part and new_part and len(old_part) + len(new_part) <= MAX_PIECES:
        found = changes_between(old_part, new_part)
    if found is None:
        found = iter([(0, len(old_part), 0, len(new_part))])
    return [(a + first, b + first, c + first, d + first) for a, b, c, d in merged(found, 0)]


def _hunks(changes: Sequence[Replacement]) -> Iterator[list[Replacement]]:
    """Yield the changes by hunk: those that are close share their context."""
    hunk = [changes[0]]
    for change in changes[1:]:
        if change[0] - hunk[-1][1] > 2 * CONTEXT_LINES:
            yield hunk
            hunk = []
        hunk.append(change)
    yield hunk


def _hunk(changes: Sequence[Replacement], before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield the text of a hunk, part by part."""
    old_at = max(0, changes[0][0] - CONTEXT_LINES)
    old_end = min(len(before), changes[-1][1] + CONTEXT_LINES)
    new_at, new_end = changes[0][2] - (changes[0][0] - old_at), changes[-1][3] + old_end - changes[-1][1]
    yield f"@@ -{_range(old_at, old_end)} +{_range(new_at, new_end)} @@\n"
    for old_start, old_stop, new_start, new_stop in changes:
        yield from (_line(" ", line) for line in before[old_at:old_start])
        yield from (_line("-", line) for line in before[old_start:old_stop])
        yield from (_line("+", line) for line in after[new_start:new_stop])
        old_at = old_stop
    yield from (_line(" ", line) for line in before[old_at:old_end])


def _range(start: int, end: int) -> str:
    """Return lines in the form of a hunk's head: they count from 1, and no lines stand behind the one before them."""
    return f"{start + 1 if end > start else start},{end - start}"


def _line(mark: str, line: str) -> str:
    return f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"
