"""Share links of documents, and how many users came by each. Only this file writes the table.

`projections/visibility.py` reads it, too. Neither tokens nor passwords are in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.ports import Actor, ReadStore, RecordedEvent
from domain.content.roles import ShareRole
from domain.content.share_link import ShareLinks
from projections.columns import columns_of
from projections.content.document import DocumentDetails, own_document
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.visibility import ROLE_MODELS


@dataclass(frozen=True, slots=True)
class ShareLinkView:
    """A share link, without its token. `uses`: the number of users who came by it, whether they left again or not."""

    id: UUID
    role: ShareRole
    has_password: bool
    expires_at: datetime | None
    created_at: datetime
    uses: int


class ShareLinkTable(ReadModel):
    """All links that are not revoked."""

    version = 1
    roots = (ShareLinks,)
    personal = PersonalData(
        "that a document has links", "an erased document has its links revoked; those of a damaged stream stay"
    )
    table = Table(
        "share_link",
        key={"id": "uuid"},
        columns={
            "document_id": "uuid NOT NULL",
            "role": "text NOT NULL",
            "has_password": "boolean NOT NULL",
            "expires_at": "timestamptz",
            "created_at": "timestamptz NOT NULL",
        },
        indexes=["(document_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case ShareLinks.Created() as created:
                yield self.table.put(
                    created.link_id,
                    document_id=created.document_id,
                    role=created.role,
                    has_password=created.has_password,
                    expires_at=created.expires_at,
                    created_at=moment_of(event),
                )
            case ShareLinks.Revoked(link_id=link_id):
                yield self.table.drop(link_id)


LINKS = f"""
SELECT {columns_of(ShareLinkView, "l", without={"uses"})},
    (SELECT count(*) FROM read.link_guest g WHERE g.link_id = l.id) AS uses
FROM read.share_link l WHERE l.document_id = %s ORDER BY l.created_at, l.id
"""  # noqa: S608 - columns of our own view


@reads(ShareLinkTable, DocumentDetails, *ROLE_MODELS)
async def share_links(rows: ReadStore, actor: Actor, document_id: UUID) -> list[ShareLinkView] | None:
    """Return a document's links, the oldest first; None: the document does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
    """
    if await own_document(rows, actor, document_id) is None:
        return None
    return await rows.all(ShareLinkView, LINKS, [document_id])
