"""Versions of the terms of use."""

import re

from domain.kernel import Invalid

VERSION = r"[0-9]{1,4}(?:[.-][0-9]{1,4}){0,3}"
"""Numbers only: a version is stored and published in clear, so it must not be a text that a person wrote."""


class UnusableTermsVersion(Invalid):
    """A text is no version of terms."""


def terms_version(text: str) -> str:
    """Return the version.

    Raises:
        UnusableTermsVersion
    """
    if not re.fullmatch(VERSION, text):
        raise UnusableTermsVersion("A version of the terms looks like 2026-11 or 1.2.")
    return text
