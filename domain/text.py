"""Rules for texts: all that people write, but nothing that PostgreSQL cannot store or that could forge a log line."""

import re
import unicodedata

from domain.kernel import Invalid

# With control characters a name could forge a line of a mail header or of a log.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@.]+(?:\.[^\s@.]+)*")
_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets


class UnusableText(Invalid):
    """A text is empty, too long, or contains characters that are not allowed."""


class UnusableEmail(Invalid):
    """A text is not an email address."""


def single_line(value: str, what: str, max_length: int) -> str:
    """Return a text of one line, without the white space around it. `what` begins the refusal.

    Raises:
        UnusableText: it is blank, longer than `max_length`, or contains control characters or lone surrogates.
    """
    value = value.strip()
    # A printable text contains neither control characters nor surrogates, and most lines are printable.
    usable = value.isprintable() or (_encodable(value) and not _CONTROL.search(value))
    if not usable or not 1 <= len(value) <= max_length:
        raise UnusableText(f"{what} has 1 to {max_length} characters on one line, none of them control characters.")
    return value


def multi_line(value: str, what: str, max_length: int) -> str:
    """Return a text of any number of lines, unchanged. `what` begins the refusal.

    Raises:
        UnusableText: it is longer than `max_length` characters, or contains NUL (which PostgreSQL cannot store) or lone
            surrogates.
    """
    if len(value) > max_length or "\0" in value or not _encodable(value):
        raise UnusableText(f"{what} has at most {max_length} characters, none of them NUL or half a surrogate pair.")
    return value


def email_address(value: str) -> str:
    """Return the address in its normal form, which is stored, claimed and written to.

    Mail goes to the normal form, never to the typed one: the owner of that mailbox owns every spelling of the address.

    Raises:
        UnusableEmail: it is not an address.
    """
    email = normalise_email(value)
    if len(email) > _EMAIL_LENGTH or not _EMAIL.fullmatch(email) or _CONTROL.search(email) or not _encodable(email):
        raise UnusableEmail("An email address looks like name@example.org.")
    return email


def normalise_email(value: str) -> str:
    """Return the address without differences in case, in Unicode form and in white space around it."""
    folded = unicodedata.normalize("NFKC", value).lower()
    return unicodedata.normalize("NFKC", folded).strip()


def _encodable(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
