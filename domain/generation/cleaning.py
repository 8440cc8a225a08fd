"""Texts of models: what is taken out of them, so that they are no worse than what people may write."""

import re

_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]"
)
"""Control characters but for tabs and line ends; characters that turn the direction of the text; invisible copies of
ASCII, which hide orders to the next model (and tell the flags of England, Scotland and Wales apart)."""


def cleaned(text: str) -> str:
    """Return a text without what it shall not have. A text that was cut into pieces may be cleaned piece by piece."""
    return _UNWANTED.sub("", text).encode(errors="ignore").decode()
