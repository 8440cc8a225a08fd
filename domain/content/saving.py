"""One save of a document: what it may change, and the one event that it makes."""

from datetime import datetime
from typing import TYPE_CHECKING

from domain.content import delta, refusals
from domain.content.delta import Delta

if TYPE_CHECKING:
    from domain.content.document import Document, Status


def save(
    document: "Document",
    title: str,
    content: str,
    status: "Status",
    now: datetime,
    *,
    steps: Delta | None = None,
    restored_revision: int | None = None,
) -> None:
    """Save title, content and status. If they are as before, there is no event.

    `steps`: the delta to this content, where it is known; else the two texts are compared.

    Raises:
        DocumentIsArchived, NoLongerADraft: the document's status does not allow it.
    """
    retitled, rewritten = title != document.title, content != document.content
    restated = status != document.status
    if not (retitled or rewritten or restated):
        return
    _require_allowed(document, status, changes_text=retitled or rewritten)
    steps = [] if not rewritten else delta.make(document.content, content) if steps is None else steps
    inserted, deleted = delta.count(steps)
    document.trigger_event(
        document.Saved,
        now=now,
        revision=document.revision + 1,
        title=title if retitled else None,
        title_length=len(title) if retitled else None,
        delta=steps,
        delta_format=delta.FORMAT,
        content_length=len(content) if rewritten else None,
        inserted=inserted,
        deleted=deleted,
        status=status if restated else None,
        restored_revision=restored_revision,
    )


def _require_allowed(document: "Document", status: "Status", *, changes_text: bool) -> None:
    if status == "draft" and document.status != "draft":
        raise refusals.NoLongerADraft(f"This document is {document.status}; it may be published or archived.")
    # Texts change on the way out of the archive and on the way into it.
    if changes_text and document.status == status == "archived":
        raise refusals.DocumentIsArchived("This document is archived and read-only; publish it first.")
