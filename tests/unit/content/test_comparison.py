"""Differences for people: changed words that lead from text to text, and unified diffs that can be applied."""

import re
from itertools import pairwise

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from domain.content import comparison, delta
from domain.content.comparison import unified_diff, word_changes

TRAPS = [
    "one", "two ", "don't ", "3.14", "\n", "\r\n", " ", ", ", "e\N{COMBINING ACUTE ACCENT}", "\N{OTTER}", "日本語",
    "\U0001f468\N{ZERO WIDTH JOINER}\U0001f469\N{ZERO WIDTH JOINER}\U0001f467", "\U0001f1e9\U0001f1ea", "\u2028", "\r",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc\N{POP DIRECTIONAL FORMATTING}", "ש", "\x0b", "-", "+", "\\",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(TRAPS), max_size=30).map("".join) | st.text(max_size=30)
HEAD = re.compile(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@\n")


def rewritten(old: str, new: str) -> str:
    """The old text with each changed part replaced from the new one."""
    for start, end, new_start, new_end in reversed(word_changes(old, new)):
        old = old[:start] + new[new_start:new_end] + old[end:]
    return old


@given(TEXTS, TEXTS)
@example("one two", "one two")
def test_changed_words_lead_from_one_text_to_the_other(old: str, new: str) -> None:
    assert rewritten(old, new) == new
    places = word_changes(old, new)
    assert all(a[1] < b[0] or a[3] < b[2] for a, b in pairwise(places))


@given(st.lists(st.sampled_from(TRAPS), max_size=20).map("".join), st.data())
def test_no_change_begins_or_ends_inside_of_a_visible_character(old: str, data: st.DataObject) -> None:
    new = data.draw(st.lists(st.sampled_from(TRAPS), max_size=20).map("".join))
    for text, first in ((old, 0), (new, 2)):
        whole = {match.start() for match in regex.finditer(r"\X", text)} | {len(text)}
        assert {change[first + n] for change in word_changes(old, new) for n in (0, 1)} <= whole


def test_a_text_of_too_many_pieces_is_split_into_so_many_and_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else texts are split to the end, to see only then that they have too many pieces."""
    monkeypatch.setattr(comparison, "MAX_PIECES", 4)
    assert word_changes("a b c d e f", "g h i j k l") == [(0, 11, 0, 11)]
    assert len(comparison._split("a b c d e f g h", comparison.WORDS)) == 5


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("one two three", "one 2 three", [("two", "2")]),
        ("one two three", "one two", [(" three", "")]),
        ("caf\u0065", "caf\u0065\N{COMBINING ACUTE ACCENT}", [("cafe", "cafe\N{COMBINING ACUTE ACCENT}")]),
        ("I won't go", "I will go", [("won't", "will")]),
        ("日本語", "日木語", [("本", "木")]),
        ("", "new words", [("", "new words")]),
    ],
)
def test_changes_are_whole_words(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    assert [(old[a:b], new[c:d]) for a, b, c, d in word_changes(old, new)] == expected


FLAGS = "\N{REGIONAL INDICATOR SYMBOL LETTER A}" * 90_000


@pytest.mark.parametrize("text", ["word " * 100_000, "word\n" * 100_000, "x" * 500_000, "\n" * 500_000, FLAGS])
def test_long_texts_are_compared_more_coarsely_and_never_wrongly(text: str) -> None:
    new = f"First {text[:-1]} last"
    assert rewritten(text, new) == new
    assert applied(text, unified_diff(text, new, "a", "b")) == new


def test_what_cannot_be_compared_within_bounds_is_replaced_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MAX_PIECES", 1)
    assert word_changes("a b\nc", "x b\ny") == [(0, 5, 0, 5)]
    monkeypatch.setattr(delta, "MAX_STEPS", 0)
    assert applied("a\nb\n", unified_diff("a\nb\n", "c\nb\nd", "a", "b")) == "c\nb\nd"


def applied(old: str, diff: str) -> str:
    """The text that `patch` makes."""
    if not diff:
        return old
    lines, result, at = [*delta.pieces_of(old, "\n")], list[str](), 0
    _, _, *body = delta.pieces_of(diff, "\n")[:-1]
    for number, line in enumerate(body):
        head = HEAD.fullmatch(line)
        if head is not None:
            start = int(head[1]) - (head[2] != "0")
            result += lines[at:start]
            at = start
            continue
        ends = number + 1 < len(body) and body[number + 1] == "\\ No newline at end of file\n"
        text = line[1:-1] if ends else line[1:]
        if line[0] in " -":
            assert lines[at] == text
            at += 1
        if line[0] in " +":
            result.append(text)
    return "".join(result + lines[at:])


@given(TEXTS, TEXTS)
@example("a", "a\n")
@example("", "a")
@example("\n", "")
def test_a_unified_diff_can_be_applied(old: str, new: str) -> None:
    assert applied(old, unified_diff(old, new, "a", "b")) == new


def test_a_unified_diff_has_the_usual_form() -> None:
    old = "".join(f"{n}\n" for n in range(1, 21))
    new = old.replace("10\n", "ten\n").replace("20\n", "20")
    assert unified_diff(old, new, "version-1", "version-2") == (
        "--- version-1\n+++ version-2\n"
        "@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n"
        "@@ -17,4 +17,4 @@\n 17\n 18\n 19\n-20\n+20\n\\ No newline at end of file\n"
    )
    assert unified_diff(old, old, "a", "b") == ""
