"""Deltas: small for small edits, exact for all, and never an error on replay."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from domain.content import delta
from domain.content.delta import Delta

# Few different characters, so that texts have much in common in many ways; astral ones among them.
SIMILAR = st.text(alphabet="ab\n😀é", max_size=60)
ANY = st.text(max_size=200)
DELTAS = st.lists(st.integers(-300, 300) | st.text(max_size=20), max_size=20)


@settings(max_examples=300)
@given(old=SIMILAR | ANY, new=SIMILAR | ANY)
def test_a_delta_leads_from_the_old_text_to_the_new(old: str, new: str) -> None:
    assert delta.apply(old, delta.make(old, new)) == new


@given(versions=st.lists(SIMILAR | ANY, min_size=2, max_size=12))
def test_a_history_of_deltas_gives_back_every_version(versions: list[str]) -> None:
    text = versions[0]
    for earlier, later in pairwise(versions):
        text = delta.apply(text, delta.make(earlier, later))
        assert text == later


@given(old=ANY, steps=DELTAS)
def test_any_delta_applies_to_any_text(old: str, steps: Delta) -> None:
    assert isinstance(delta.apply(old, steps), str)


@given(old=SIMILAR, new=SIMILAR)
def test_a_delta_applies_to_an_erased_text_and_erased_deltas_to_any(old: str, new: str) -> None:
    assert isinstance(delta.apply("[erased]", delta.make(old, new)), str)
    assert delta.apply(old, []) == old


@given(text=ANY)
def test_no_change_is_no_delta(text: str) -> None:
    assert delta.make(text, text) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "new", ["new"]),
        ("old", "", [-3]),
        ("hello world", "hello brave world", [6, "brave "]),
        ("hello brave world", "hello world", [6, -6]),
        ("one two three", "one 2 three", [4, -3, "2"]),
        ("aaa", "aaaa", [3, "a"]),
        ("😀😀", "😀x😀", [1, "x"]),
    ],
)
def test_a_delta_holds_no_more_than_what_changed(old: str, new: str, expected: Delta) -> None:
    assert delta.make(old, new) == expected


def test_edits_in_several_places_keep_what_is_between_them() -> None:
    between = "this long passage stays as it is. " * 20
    steps = delta.make(f"first {between}last", f"1st {between}lost")
    assert sum(len(step) for step in steps if isinstance(step, str)) < 10
    assert delta.apply(f"first {between}last", steps) == f"1st {between}lost"


def unlike(length: int, alphabet: str) -> tuple[str, str]:
    """Two texts that share words, if any, by chance."""
    chance = random.Random(4711)
    old, new = ("".join(chance.choices(alphabet, k=length)) for _ in range(2))
    return old, new


COSTLY = {
    "letters": lambda: unlike(1_000_000, "abcdefgh "),
    "short lines": lambda: unlike(1_000_000, "ab\n"),
    "astral characters": lambda: unlike(1_000_000, "😀é a\n"),
    "many lines": lambda: unlike(240_000, "abcdefgh\n"),
    "no more than is compared": lambda: unlike(delta.MAX_PIECES // 2 - 1, "abcdefgh "),
    "one more and one less": lambda: ("ab" * 500_000, "ba\n" * 333_333),
    "one letter": lambda: ("x" + "a" * 24_990 + "y", "z" + "a" * 12_000 + "b" + "a" * 12_000 + "q"),
    "two letters in turn": lambda: ("ab" * 12_500, "ba" * 12_500),
    "empty lines": lambda: ("x" + "\n" * 24_000 + "y", "z" + "\n" * 12_000 + "b" + "\n" * 11_000 + "q"),
    "empty words": lambda: ("x" + " " * 24_000 + "y", "z" + " " * 12_000 + "b" + " " * 11_000 + "q"),
}


class Comparisons:
    """The comparisons that the library was asked for, and the steps that they take at most."""

    def __init__(self, patched: pytest.MonkeyPatch) -> None:
        self.steps: list[int] = []
        for name, limit in (("distance", "score_cutoff"), ("opcodes", "score_hint")):
            patched.setattr(Levenshtein, name, self._recorded(getattr(Levenshtein, name), limit))

    def _recorded(self, compare: Callable[..., Any], limit: str) -> Callable[..., Any]:
        def recorded(old: str, new: str, **options: Any) -> Any:
            self.steps.append((2 * options[limit] // 64 + 1) * max(len(old), len(new)))
            return compare(old, new, **options)

        return recorded


@pytest.mark.parametrize("texts", COSTLY.values(), ids=COSTLY)
def test_h4_the_worst_texts_known_take_no_more_steps_than_allowed(
    texts: Callable[[], tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    comparisons = Comparisons(monkeypatch)
    old, new = texts()
    assert delta.apply(old, delta.make(old, new)) == new
    assert len(comparisons.steps) <= 4
    assert sum(comparisons.steps) <= 4 * (delta.MAX_STEPS + delta.MAX_PIECES)


@settings(max_examples=200)
@given(old=SIMILAR | ANY, new=SIMILAR | ANY, times=st.integers(1, 60), max_steps=st.integers(1, 400))
def test_h4_no_text_takes_more_steps_than_allowed(old: str, new: str, times: int, max_steps: int) -> None:
    old, new = old * times, new * times
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delta, "MAX_STEPS", max_steps)
        comparisons = Comparisons(patched)
        assert delta.apply(old, delta.make(old, new)) == new
    assert sum(comparisons.steps) <= 4 * (max_steps + len(old) + len(new))


def test_changes_with_little_between_them_are_one() -> None:
    assert delta.make("-ab-", "+abc+") == [-4, "+abc+"]
    assert delta.make("-abcde-", "+abcde+") == [-1, "+", 5, -1, "+"]


@pytest.mark.parametrize(("space", "between"), [(" ", "word " * 10_000), ("\n", "a b c d\n" * 10_000)])
def test_of_texts_with_too_many_characters_words_and_lines_are_compared(space: str, between: str) -> None:
    steps = delta.make(f"first{space}{between}last", f"1st{space}{between}lost")
    assert steps == [-6, f"1st{space}", len(between), -2, "lo"]


def test_edits_far_apart_in_a_long_text_keep_the_lines_between_them() -> None:
    between = "".join(f"{number}. this long passage stays.\n" for number in range(20_000))
    steps = delta.make(f"first\n{between}last\n", f"1st\n{between}lost\n")
    assert sum(len(step) for step in steps if isinstance(step, str)) < 20
    assert delta.apply(f"first\n{between}last\n", steps) == f"1st\n{between}lost\n"


@settings(max_examples=300)
@given(old=SIMILAR | ANY, new=SIMILAR | ANY, most=st.integers(2, 40))
def test_long_texts_have_deltas_as_right_as_short_ones(old: str, new: str, most: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delta, "MAX_PIECES", most)
        assert delta.apply(old, delta.make(old, new)) == new
