"""Shares of documents. Only this file writes the table; `projections/visibility.py` reads it, too.

An email address is in no row: a row has the version of the event that has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from application.ports import Actor, ReadStore, RecordedEvent, StoredEvents
from domain.content.document import Document
from domain.content.roles import ShareRole
from projections.columns import columns_of
from projections.content.document import DocumentDetails, own_document
from projections.kernel import Change, PersonalData, ReadModel, Table, reads
from projections.visibility import ROLE_MODELS


@dataclass(frozen=True, slots=True)
class ShareView:
    """A share of a document: the email address, whose holder may be a user or not, and the role.

    `used`: the share belongs to the user who first used it, and no longer to the address.
    """

    email: str
    role: ShareRole
    used: bool


@dataclass(frozen=True, slots=True)
class StoredShare:
    """A row: the version of the event that shared the document, the role now, and whether a user has used it."""

    shared_version: int
    role: ShareRole
    used: bool


class DocumentAccess(ReadModel):
    """The roles that owners gave to email addresses. `user_id`: the user to whom the share is bound."""

    version = 1
    roots = (Document,)
    personal = PersonalData(
        "ids of addresses",
        "an erased address or document has its shares revoked; those of a damaged document stay, shown by no query",
    )
    table = Table(
        "document_access",
        key={"document_id": "uuid", "address_id": "uuid"},
        columns={"shared_version": "bigint NOT NULL", "role": "text NOT NULL", "user_id": "uuid"},
        indexes=["(address_id)", "(user_id, document_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.Shared(address_id=address_id, role=role):
                yield self.table.put(event.stream_id, address_id, shared_version=event.version, role=role, user_id=None)
            case Document.ShareChanged(address_id=address_id, role=role):
                yield self.table.set(event.stream_id, address_id, role=role)
            case Document.ShareBound(address_id=address_id, user_id=user_id):
                yield self.table.set(event.stream_id, address_id, user_id=user_id)
            case Document.ShareRevoked(address_id=address_id):
                yield self.table.drop(event.stream_id, address_id)


SHARES = f"""
SELECT {columns_of(StoredShare, without={"used"})}, user_id IS NOT NULL AS used
FROM read.document_access WHERE document_id = %s
"""  # noqa: S608 - columns of our own view


@reads(DocumentDetails, *ROLE_MODELS)
async def shares(rows: ReadStore, stored: StoredEvents, actor: Actor, document_id: UUID) -> list[ShareView] | None:
    """Return a document's shares, by address; None: the document does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
    """
    if await own_document(rows, actor, document_id) is None:
        return None
    found_shares = await rows.all(StoredShare, SHARES, [document_id])
    events = await stored.events([(document_id, share.shared_version) for share in found_shares])
    views = [
        ShareView(event.email, share.role, share.used)
        for event, share in zip(events, found_shares, strict=True)
        if isinstance(event, Document.Shared)
    ]
    return sorted(views, key=lambda view: view.email)
