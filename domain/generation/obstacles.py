"""What stands against a text for a document."""

from domain.access import Person
from domain.content.document import Document
from domain.kernel import Refusal


def is_open_to(document: Document | None, person: Person) -> bool:
    """Return whether a person may have a text written for a document; None: it does not exist for them."""
    try:
        if document is None:
            return False
        document.require("generate", person)
        document.require_untrashed()
    except Refusal:
        return False
    return True
