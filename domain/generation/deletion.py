"""Deletion of generations that have written nothing."""

from datetime import datetime

from domain.access import Person
from domain.generation.generation import Generation
from domain.generation.refusals import NotDeletable


def delete(generation: Generation, *, by: Person, now: datetime) -> None:
    """Erase a generation for good, with its prompt: it failed, is dead or was cancelled, or its draft was discarded.

    What it has cost stays in the budget.

    Raises:
        NotFound: the person is not the asker.
        NotDeletable: it is under way, or has a text.
    """
    generation.require("change", by)
    if not generation.is_over_without_text:
        raise NotDeletable(
            f"This generation is {generation.status}; cancel it, or discard its draft, before you delete it. A text "
            "that was written into a document is deleted there."
        )
    generation.erase(now=now)
