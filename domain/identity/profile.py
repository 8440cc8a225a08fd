"""The part of an account that other users see: rules for names and pictures."""

import re

from domain.kernel import Invalid
from domain.text import single_line

NAME_LENGTH = 200
AVATAR_URL_LENGTH = 2_048

_AVATAR_URL = re.compile(r"https://[^\s/?#]+\S*")


class UnusableAvatar(Invalid):
    """A text is not the address of a picture."""


def usable_name(name: str) -> str:
    """Return the name in the form to store.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(name, "A name", NAME_LENGTH)


def usable_avatar_url(url: str) -> str:
    """Return the address of a picture, which browsers will load.

    Raises:
        UnusableAvatar: it is not an `https` address with a host.
        UnusableText: see `domain.text.single_line`.
    """
    url = single_line(url, "The address of an avatar", AVATAR_URL_LENGTH)
    if not _AVATAR_URL.fullmatch(url):
        raise UnusableAvatar("The address of an avatar begins with https:// and names a host.")
    return url
