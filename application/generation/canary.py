"""Canaries: a secret number in the rules that a model gets. A text that has it repeats the rules, and is withheld.

It is a digest under a key of ours, another one for each generation: it cannot be planted in a document. A part of it is
enough, whatever stands between its digits, in several encodings. Who tells the rules in other words, without the
number, is not found: a canary is an alarm. People are protected by rules that have no secrets and no texts of users.
"""

import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from uuid import UUID

from application.idempotency import KeyedHash

DIGITS = 32
"""Length of a canary."""
PART = 12
"""So many of its letters in a row are a leak."""
_TAGS = {0xE0000 + code: code for code in range(0x20, 0x7F)}
"""Invisible characters that stand for those of ASCII (Unicode, Tags)."""
_BASE32 = {f"{value:05b}": digit for value, digit in enumerate("abcdefghijklmnopqrstuvwxyz234567")}
"""Digits by their bits (RFC 4648), in small letters."""
_OTHERS = re.compile("[^a-z0-9]+")


class RulesLeaked(Exception):
    """A text repeats the rules."""


def canary_of(digests: KeyedHash, generation_id: UUID) -> str:
    """Return the canary of a generation, in hexadecimal digits."""
    return digests(b"canary", generation_id.bytes).hex()[:DIGITS]


class LeakDetector:
    """Reads a text piece by piece, and finds the canary in it."""

    def __init__(self, canary: str) -> None:
        self._parts: set[str] = set()
        for form in map(_plain, _disguises(canary)):
            self._parts.update([form[start : start + PART] for start in range(len(form) - PART + 1)])
        self._tail = ""

    def read(self, piece: str) -> None:
        """Read the next piece.

        Raises:
            RulesLeaked: with it, the text has a part of the canary.
        """
        text = self._tail + _plain(piece)
        if any(text[start : start + PART] in self._parts for start in range(len(text) - PART + 1)):
            raise RulesLeaked
        self._tail = text[-(PART - 1) :]


def _plain(text: str) -> str:
    """Return the letters and digits of ASCII that a text shows or hides: without case, marks, spaces, punctuation."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_TAGS))
    return _OTHERS.sub("", text.lower())


def _disguises(canary: str) -> Iterator[str]:
    """Yield a canary as itself, backwards, and in encodings; these depend on how many bytes are before it."""
    yield canary
    yield canary[::-1]
    for spelled in (canary, canary.upper()):
        yield spelled.encode().hex()
        for before in range(3):
            yield _inner(b64encode(b" " * before + spelled.encode()).decode(), 2)
        bits = f"{int.from_bytes(spelled.encode(), 'big'):0{8 * len(spelled)}b}"
        for first in range(5):
            yield "".join([_BASE32[bits[start : start + 5]] for start in range(first, len(bits) - 4, 5)])


def _inner(encoded: str, edge: int) -> str:
    """Return an encoded text without the ends, in which other bytes take part."""
    return encoded.rstrip("=")[edge:-edge]
