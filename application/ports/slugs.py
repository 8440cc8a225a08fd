"""Port for ids that stand for slugs of teams."""

from typing import Protocol
from uuid import UUID


class SlugIndex(Protocol):
    """Computes ids for slugs that no team has."""

    def slug_id(self, slug: str) -> UUID:
        """Return the id that stands for a slug; it looks like that of a team without our key."""
