"""What stands against a text in a document: whether it may be begun, and why a finished one is a draft."""

from domain.access import Person
from domain.content.document import Document
from domain.content.refusals import DocumentIsArchived, DocumentIsTrashed
from domain.generation.events import DraftReason
from domain.generation.refusals import PassageGone
from domain.kernel import Forbidden, NotFound, Refusal
from domain.text import UnusableText


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


def draft_reason_of(refusal: Refusal) -> DraftReason:
    """Return why a text is a draft, by the refusal of the save. Raises other refusals."""
    match refusal:
        case PassageGone():
            return "document_changed"
        case UnusableText():
            return "too_long"
        case DocumentIsTrashed() | DocumentIsArchived():
            return "document_closed"
        case NotFound() | Forbidden():
            return "no_access"
    raise refusal
