"""The history of a document, for its owners: events of its stream, and reads of auditors."""

from uuid import UUID

from application.ports import Actor, EventStore, HistoryFilter, ReadStore
from projections.audit.audit_read import AuditReads
from projections.content.document import DocumentDetails, own_document
from projections.history import HistoryEntry, history_of
from projections.kernel import reads
from projections.page import Page
from projections.visibility import ROLE_MODELS


@reads(AuditReads, DocumentDetails, *ROLE_MODELS)
async def document_history(
    rows: ReadStore,
    events: EventStore,
    actor: Actor,
    document_id: UUID,
    *,
    wanted: HistoryFilter,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[HistoryEntry] | None:
    """Return what happened to the document, the latest first; None: the document does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
        BadCursor: the cursor is not one of this list.
    """
    if await own_document(rows, actor, document_id) is None:
        return None
    return await history_of(rows, events, document_id, wanted, cursor, limit)
