"""Deltas: small for small edits, exact for all, and never an error on replay."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import fast_diff_match_patch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


UNLIKE = {
    "letters": lambda: unlike(1_000_000, "abcdefgh "),
    "short lines": lambda: unlike(1_000_000, "ab\n"),
    "astral characters": lambda: unlike(1_000_000, "😀é a\n"),
    "many lines": lambda: unlike(240_000, "abcdefgh\n"),
    "no more than is compared": lambda: unlike(delta.MAX_COMPARED // 2 - 1, "abcdefgh "),
    "one more and one less": lambda: ("ab" * 500_000, "ba\n" * 333_333),
}


@pytest.mark.parametrize("texts", UNLIKE.values(), ids=UNLIKE)
def test_of_texts_without_anything_in_common_no_more_is_compared_than_takes_little_time(
    texts: Callable[[], tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, float]] = []
    diff = fast_diff_match_patch.diff

    def recorded(old: str, new: str, *, timelimit: float, **options: Any) -> Any:
        compared.append((len(old) + len(new), timelimit))
        return diff(old, new, timelimit=timelimit, **options)

    monkeypatch.setattr(fast_diff_match_patch, "diff", recorded)
    old, new = texts()
    assert delta.apply(old, delta.make(old, new)) == new
    assert len(compared) <= 1
    assert all(length <= 50_000 and seconds <= 0.02 for length, seconds in compared)


def test_edits_far_apart_in_a_long_text_keep_the_lines_between_them() -> None:
    between = "".join(f"{number}. this long passage stays.\n" for number in range(20_000))
    steps = delta.make(f"first\n{between}last\n", f"1st\n{between}lost\n")
    assert sum(len(step) for step in steps if isinstance(step, str)) < 20
    assert delta.apply(f"first\n{between}last\n", steps) == f"1st\n{between}lost\n"


@settings(max_examples=300)
@given(old=SIMILAR | ANY, new=SIMILAR | ANY, most=st.integers(2, 40))
def test_long_texts_have_deltas_as_right_as_short_ones(old: str, new: str, most: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delta, "MAX_COMPARED", most)
        assert delta.apply(old, delta.make(old, new)) == new
