"""Comparisons: two texts for one document and one set of variables, from two models or two prompts.

A comparison is two generations, whose ids follow from its own; so it has no events. Their texts are drafts.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

from domain.access import Resource, Rule

COMPARISON = Resource(
    "comparison", roles=("asker",), advice="the asker", rules={"read": Rule("asker", "documents:read")}
)
"""Only the user who asked for a comparison sees it."""


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """The generations of a comparison."""

    left_id: UUID
    right_id: UUID

    @classmethod
    def of(cls, comparison_id: UUID) -> "ComparedPair":
        """Return the ids (UUIDv5, RFC 9562) of the generations of a comparison."""
        return cls(uuid5(comparison_id, "left"), uuid5(comparison_id, "right"))
