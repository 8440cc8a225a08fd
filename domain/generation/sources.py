"""Other documents that a text draws on, at versions that the asker names."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.generation.refusals import UnusableSources

MAX_SOURCES = 10
SOURCES_LENGTH = 200_000
"""Maximum number of characters of all of them together."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document at a version."""

    document_id: UUID
    version: int


def require_usable(sources: Sequence[SourceDocument]) -> None:
    """Refuse too many documents, and one that is named twice. Raises `UnusableSources`."""
    if len(sources) > MAX_SOURCES:
        raise UnusableSources(f"{len(sources)} documents are named to draw on, and {MAX_SOURCES} at most are allowed.")
    if len(set(sources)) < len(sources):
        raise UnusableSources("A document is named twice at the same version: name each one once.")


def require_short(lengths: Sequence[int]) -> None:
    """Refuse documents that are too long together. `lengths`: of their contents. Raises `UnusableSources`."""
    if sum(lengths) > SOURCES_LENGTH:
        raise UnusableSources(
            f"The documents to draw on have {sum(lengths)} characters together, and {SOURCES_LENGTH} at most are "
            "allowed: name fewer, or shorter ones."
        )
