"""Texts of models are cleaned before they are kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.content.texts import CONTENT_LENGTH
from domain.generation.answer import ModelAnswer
from domain.generation.cleaning import cleaned
from domain.generation.pricing import TokenPrice
from domain.text import UnusableText, multi_line

UNWANTED = ["\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\u2066", "\U000e0041", "\ud800"]


def answer(text: str) -> ModelAnswer:
    return ModelAnswer(text, "swift", TokenPrice(1, 1), "complete", 1, 1)


@pytest.mark.parametrize("unwanted", UNWANTED)
def test_what_no_text_shall_have_is_taken_out(unwanted: str) -> None:
    assert cleaned(f"Ott{unwanted}ers.").replace("[31m", "") == "Otters."
    with pytest.raises(UnusableText):
        answer(f"Ott{unwanted}ers.")


@pytest.mark.parametrize(
    "text",
    [
        "Line\none\r\n\ttwo",
        "שלום, مرحبا",
        "👩\u200d🌾 e\u0301",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "a\u00a0b\u200e",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert cleaned(text) == text
    assert answer(text).text == text


@given(st.text(), st.text())
def test_a_text_in_pieces_is_cleaned_as_the_whole(one: str, two: str) -> None:
    assert cleaned(one) + cleaned(two) == cleaned(one + two) == cleaned(cleaned(one + two))
    assert multi_line(cleaned(one), "A text", CONTENT_LENGTH) == cleaned(one)


def test_a_text_is_no_longer_than_a_document() -> None:
    answer("x" * CONTENT_LENGTH)
    with pytest.raises(UnusableText, match=f"{CONTENT_LENGTH} characters"):
        answer("x" * (CONTENT_LENGTH + 1))
