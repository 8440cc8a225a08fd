"""Rules for texts: all that people write, but nothing that PostgreSQL cannot store or that could forge a log line."""

import re
import unicodedata

import idna

from domain.kernel import Invalid

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""With control characters a name could forge a line of a mail header or of a log; with those that embed, override or
isolate a direction (Unicode Standard Annex 9) it could look like another name, and change the text after it."""

_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that show nothing: Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties) and two blank symbols."""

MESSAGE_LENGTH = 500
"""Of a message to other people: who and why, not a letter."""
_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets
_LOCAL_PART_LENGTH = 64  # RFC 5321, 4.5.3.1.1
_EMAIL_FORM = 1
"""The version of the normal form of email addresses. It stands in every digest of one, so that a later form can have
another number, and digests of both can be distinguished while they are migrated."""


class UnusableText(Invalid):
    """A text is empty, too long, or contains characters that are not allowed."""


class UnusableEmail(Invalid):
    """A text is not an email address."""


def single_line(value: str, what: str, max_length: int) -> str:
    """Return a text of one line, without the white space around it. `what` begins the refusal.

    Raises:
        UnusableText: nothing of it is visible, it is longer than `max_length`, or it contains control characters, lone
            surrogates, or characters that turn the direction of the text.
    """
    value = value.strip()
    # A printable text contains neither control characters nor surrogates, and most lines are printable.
    usable = value.isprintable() or (_encodable(value) and not _CONTROL.search(value))
    if not usable or len(value) > max_length or not any(map(_is_visible, value)):
        raise UnusableText(
            f"{what} has 1 to {max_length} characters on one line: at least one that can be seen, "
            "and none that control the terminal or the direction of the text."
        )
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


def usable_message(value: str | None) -> str | None:
    """Return a message to other people in the form to store; None: it shows nothing.

    Raises:
        UnusableText: see `multi_line`; it may have `MESSAGE_LENGTH` characters.
    """
    return None if value is None else multi_line(value, "A message", MESSAGE_LENGTH).strip() or None


def email_address(value: str) -> str:
    """Return the address in its normal form, which is stored, claimed and written to.

    Mail goes to the normal form, never to the typed one: the owner of that mailbox owns every spelling of the address.
    The domain is in Unicode, mapped by UTS 46 (not transitional); the part before it is folded as Unicode compares
    texts without regard to case and form (The Unicode Standard, D146). Characters that Unicode does not define yet are
    refused, as nothing is known of their forms.

    Raises:
        UnusableEmail: it is not an address.
    """
    local, _, domain = unicodedata.normalize("NFKC", value.strip()).rpartition("@")
    local = _folded(local)
    usable_domain = domain_name(domain)
    if usable_domain is None:
        raise _unusable_email()
    email = f"{local}@{usable_domain}"
    usable = local.isprintable() and not _IGNORABLE.search(local) and not re.search(r"[\s@]", local)
    if not usable or not 1 <= len(local) <= _LOCAL_PART_LENGTH or len(email) > _EMAIL_LENGTH:
        raise _unusable_email()
    return email


def email_key(email: str) -> str:
    """Return what digests of an address are made of: the version of its normal form, and the address in that form."""
    return f"{_EMAIL_FORM} {email}"


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


def domain_name(text: str) -> str | None:
    """Return the domain in its normal form: in Unicode, mapped by UTS 46 (not transitional). None: it is none."""
    try:
        ascii_form = idna.encode(text, uts46=True)
    except (idna.IDNAError, UnicodeError):
        return None
    if ascii_form.endswith(b"."):
        return None
    return idna.decode(ascii_form) if b"xn--" in ascii_form else ascii_form.decode()


def _unusable_email() -> UnusableEmail:
    return UnusableEmail("An email address looks like name@example.org.")


def _is_visible(character: str) -> bool:
    """Return whether a character shows something by itself: no white space, no mark that needs another character."""
    return unicodedata.category(character)[0] not in "ZM" and not _IGNORABLE.match(character)


def _encodable(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
