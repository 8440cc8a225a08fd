"""What texts may hold: enough for people, nothing that a server cannot store or that would deceive a reader of logs."""

import re
import unicodedata

from domain.kernel import Invalid

# Control characters would let a name forge a line of a mail header or a log.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@.]+(?:\.[^\s@.]+)*")
_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets


class UnusableText(Invalid):
    """A text is empty, too long, or holds characters that we do not take."""


class UnusableEmail(Invalid):
    """That is not an email address."""


def single_line(value: str, what: str, longest: int) -> str:
    """A text of one line, without the white space around it.

    Raises:
        UnusableText: it is blank, longer than `longest` characters, or holds control characters or lone surrogates.
    """
    value = value.strip()
    # What is printable holds neither, and most lines are.
    usable = value.isprintable() or (_encodable(value) and not _CONTROL.search(value))
    if not usable or not 1 <= len(value) <= longest:
        raise UnusableText(f"{what} has 1 to {longest} characters on one line, none of them control characters.")
    return value


def multi_line(value: str, what: str, longest: int) -> str:
    """A text of any number of lines, as it is.

    Raises:
        UnusableText: it is longer than `longest` characters, or holds NUL characters (which PostgreSQL's text cannot)
            or lone surrogates.
    """
    if len(value) > longest or "\0" in value or not _encodable(value):
        raise UnusableText(f"{what} has at most {longest} characters, none of them NUL or half a surrogate pair.")
    return value


def email_address(value: str) -> str:
    """The address in its normal form: the one to store, to claim and to write to.

    Mail goes to the normal form, never to what was typed: whoever reads that mailbox holds every spelling of it.

    Raises:
        UnusableEmail: it is no address.
    """
    email = normalise_email(value)
    if len(email) > _EMAIL_LENGTH or not _EMAIL.fullmatch(email) or _CONTROL.search(email) or not _encodable(email):
        raise UnusableEmail("An email address looks like name@example.org.")
    return email


def normalise_email(value: str) -> str:
    """The same for all spellings of an address that differ in case, in Unicode form or in white space around."""
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
