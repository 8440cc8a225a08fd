"""The documents that a user has viewed last, as far as they may still read them.

The table is no read model: `infra/recent_documents` writes it (`application/ports/recent_documents.py`).
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore
from projections.content.document import LISTED, DocumentSummary
from projections.kernel import reads
from projections.page import Page, bounded, limited, page_of, read_cursor, read_moment
from projections.visibility import ROLE_MODELS, own_documents, shared_documents, team_documents


@dataclass(frozen=True, slots=True)
class RecentDocument(DocumentSummary):
    """A document in the list of those that the reader has viewed last."""

    viewed_at: datetime = field(kw_only=True)


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The end of a page: when the last document was viewed, and its id."""

    viewed_at: str
    id: UUID


VIEWED = f"""{LISTED}, (
    SELECT r.viewed_at FROM recent_documents r WHERE r.user_id = %(user_id)s AND r.document_id = d.id
) AS viewed_at"""  # noqa: S608 - our own words only
RECENT = "d.trashed_at IS NULL AND d.id IN (SELECT document_id FROM recent_documents WHERE user_id = %(user_id)s)"
LIST = f"""
SELECT * FROM (
    {own_documents(VIEWED, RECENT)} UNION ALL {team_documents(VIEWED, RECENT)} UNION ALL
    {shared_documents(VIEWED, RECENT)}
) AS d
"""  # noqa: S608 - our own words only
AFTER = "WHERE (d.viewed_at, d.id) < (%(viewed_at)s, %(id)s)"
ORDER = "ORDER BY d.viewed_at DESC, d.id DESC"


@reads("document", *ROLE_MODELS, "document_star")
async def recent_documents(
    rows: ReadStore, actor: Actor, *, cursor: str | None = None, limit: int | None = None
) -> Page[RecentDocument]:
    """Return the documents that the actor has viewed last, without those in the trash.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size = bounded(limit)
    params = {"user_id": actor.user_id, "address_id": actor.address_id}
    if cursor is None:
        found = await rows.all(RecentDocument, f"{LIST} {ORDER} {limited(size)}", params)
    else:
        found = await rows.all(RecentDocument, f"{LIST} {AFTER} {ORDER} {limited(size)}", {**params, **_after(cursor)})
    return page_of(found, size, lambda last: _Cursor(str(last.viewed_at), last.id))


def _after(cursor: str) -> dict[str, object]:
    last = read_cursor(cursor, _Cursor)
    return {"viewed_at": read_moment(last.viewed_at), "id": last.id}
