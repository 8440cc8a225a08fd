"""With whom documents are shared. This file owns the table: it alone writes it; lists of documents join it."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from application.ports import ReadStore, RecordedEvent
from domain.content.document import Document, ShareRole
from projections.kernel import Change, ReadModel, Table, reads


@dataclass(frozen=True, slots=True)
class ShareView:
    """Somebody with whom a document is shared: the holder of an email address, a user or not."""

    email: str
    role: ShareRole


class DocumentAccess(ReadModel):
    """The roles that owners have given to email addresses."""

    version = 1
    roots = (Document,)
    table = Table(
        "document_access",
        key={"document_id": "uuid", "address_id": "uuid"},
        columns={"email": "text NOT NULL", "role": "text NOT NULL"},
        indexes=["(address_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.Shared(address_id=address_id, email=email, role=role):
                yield self.table.put(event.stream_id, address_id, email=email, role=role)
            case Document.ShareChanged(address_id=address_id, role=role):
                yield self.table.set(event.stream_id, address_id, role=role)
            case Document.ShareRevoked(address_id=address_id):
                yield self.table.drop(event.stream_id, address_id)


@reads(DocumentAccess)
async def shares(rows: ReadStore, document_id: UUID) -> list[ShareView]:
    """With whom a document is shared, by address."""
    query = "SELECT email, role FROM read.document_access WHERE document_id = %s ORDER BY email"
    return await rows.all(ShareView, query, [document_id])
