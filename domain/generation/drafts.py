"""Drafts: texts that wait until the asker has them written into the document, or throws them away."""

from datetime import datetime
from typing import TYPE_CHECKING

from domain.access import Person
from domain.content.document import Document
from domain.content.refusals import DocumentIsArchived, DocumentIsTrashed
from domain.generation.events import DraftReason
from domain.generation.placement import Placement, WrittenPassage, write
from domain.generation.refusals import NoDraft, PassageGone
from domain.kernel import Forbidden, NotFound, Refusal
from domain.text import UnusableText

if TYPE_CHECKING:
    from domain.generation.generation import Generation


def place_text(
    placement: Placement, document: Document | None, text: str, by: Person, now: datetime
) -> tuple[WrittenPassage | None, DraftReason | None]:
    """Write a text into a document. Returns where it is, or why it is a draft."""
    if placement.target == "draft":
        return None, "asked"
    if document is None:
        return None, "no_access"
    try:
        return write(document, placement, text, by=by, now=now), None
    except Refusal as refusal:
        return None, _reason_of(refusal)


def accept(
    generation: "Generation",
    document: Document,
    placement: Placement | None,
    *,
    variant: int,
    by: Person,
    now: datetime,
) -> None:
    """Write a draft into the document. `placement`: None is the place that was asked for, or the end.

    Raises:
        NotFound, RoleTooLow: the person is not the asker, or may not edit the document.
        NoDraft: there is none, or no such variant.
        UnusablePlacement, PassageGone, UnusableText, DocumentIsTrashed, DocumentIsArchived: as `write`.
    """
    generation.require("change", by)
    _require_draft(generation)
    text = generation.text_of(variant)
    if not text.strip():
        raise NoDraft(f"This generation has no text {variant}: read its `texts`, and name one of them, from 1.")
    document.require_editable(by)
    place = (generation.placement if placement is None else placement).usable_in(document)
    passage = write(document, place, text, by=by, now=now)
    generation.trigger_event(
        generation.DraftAccepted,
        now=now,
        revision=passage.revision,
        start=passage.start,
        end=passage.end,
        variant=variant,
        model=generation.models[variant - 1],
    )


def discard(generation: "Generation", *, by: Person, now: datetime) -> None:
    """Throw all drafts away. A second time causes no event.

    Raises:
        NotFound: the person is not the asker.
        NoDraft: there is none.
    """
    generation.require("change", by)
    if generation.result != "discarded":
        _require_draft(generation)
        generation.trigger_event(generation.DraftDiscarded, now=now)


def _require_draft(generation: "Generation") -> None:
    if generation.result != "draft":
        raise NoDraft("This generation has no draft: read its `result`.")


def _reason_of(refusal: Refusal) -> DraftReason:
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
