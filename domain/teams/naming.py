"""Names and slugs of teams. A slug is the part of a web address that names a team; one team holds it at a time."""

import re

from domain.kernel import Claim, Invalid
from domain.text import single_line

NAME_LENGTH = 100
SLUG_LENGTH = 40

_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")


class UnusableSlug(Invalid):
    """A text cannot be a part of a web address."""


def usable_name(name: str) -> str:
    """Return the team's name in the form to store.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(name, "A team's name", NAME_LENGTH)


def slug_claim(slug: str) -> Claim:
    """Return the claim to a slug."""
    return Claim("team_slug", slug)


def usable_slug(slug: str) -> str:
    """Return the slug if it is valid.

    Raises:
        UnusableSlug: it is not lower-case letters, digits and single hyphens between them, 3 to 40 in all.
    """
    if not 3 <= len(slug) <= SLUG_LENGTH or not _SLUG.fullmatch(slug):
        raise UnusableSlug(
            f"A slug has 3 to {SLUG_LENGTH} lower-case letters and digits, with single hyphens between them."
        )
    return slug
