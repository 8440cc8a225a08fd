"""Names of people as mails show them: only what looks like a name, never what a mail program makes a link of."""

import re
import unicodedata

MAX_LENGTH = 60
MAX_WORDS = 6
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*\.?")
"""Letters of any script, with apostrophes and hyphens between them, and a full stop only at the end (`Dr.`)."""


def shown_name(name: str) -> str:
    """Return the name if it looks like one, else an empty text.

    The name is chosen by the person who opened the account, and the mail goes to the address that they gave, which may
    be that of somebody else: addresses of web pages, digits, lines and long texts are left out.
    """
    words = unicodedata.normalize("NFC", name).split(" ")
    if len(name) > MAX_LENGTH or len(words) > MAX_WORDS or not all(map(_is_word, words)):
        return ""
    return " ".join(words)


def _is_word(word: str) -> bool:
    # Marks (accents and vowel signs that no composed letter has) stand behind letters and are none themselves.
    letters = "".join(each for each in word if unicodedata.category(each) not in ("Mn", "Mc"))
    return _WORD.fullmatch(letters) is not None
