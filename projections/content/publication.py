"""Public documents, as everybody may read them. Only this file writes and reads the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.content.publication import PublicationView
from application.ports import Actor, ReadStore, RecordedEvent
from domain.content.publication import Publication
from projections.columns import columns_of
from projections.content.document import own_document
from projections.kernel import Change, PersonalData, ReadModel, Table, reads
from projections.visibility import ROLE_MODELS, SHOWN


@dataclass(frozen=True, slots=True)
class PublicDocument:
    """A document as everybody may read it: the present version, without ids of people."""

    id: UUID
    title: str
    content: str
    version: int
    updated_at: datetime
    indexed: bool

    @property
    def etag(self) -> str:
        """The entity tag (RFC 9110, 8.8.3). Whether the document may be indexed is in headers, and is no version."""
        return f"{self.version}-{int(self.indexed)}"


class PublicDocuments(ReadModel):
    """The documents that are public now, by their public id."""

    version = 1
    roots = (Publication,)
    personal = PersonalData("that a document is public", "the row stays, with ids only, and shows no document")
    table = Table(
        "publication",
        key={"id": "uuid"},
        columns={"document_id": "uuid NOT NULL", "indexed": "boolean NOT NULL"},
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Publication.Published(document_id=document_id, indexed=indexed):
                yield self.table.put(event.stream_id, document_id=document_id, indexed=indexed)
            case Publication.Withdrawn():
                yield self.table.drop(event.stream_id)


PUBLIC = f"""
SELECT p.id, {columns_of(PublicDocument, "d", without={"id", "indexed"})}, p.indexed
FROM read.publication p JOIN read.document d ON d.id = p.document_id
WHERE p.id = %s AND d.trashed_at IS NULL AND {SHOWN}
"""  # noqa: S608 - columns of our own view


@reads(PublicDocuments, "document", "user_profile")
async def public_document(rows: ReadStore, id: UUID) -> PublicDocument | None:
    """Return a public document; None: there is none with this public id, or not any more."""
    return await rows.one(PublicDocument, PUBLIC, [id])


BY_DOCUMENT = f"SELECT {columns_of(PublicationView)} FROM read.publication WHERE id = %s"  # noqa: S608


@reads(PublicDocuments, "document", *ROLE_MODELS)
async def publication(rows: ReadStore, actor: Actor, document_id: UUID) -> PublicationView | None:
    """Return the publication of a document; None: it is not public, or does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
    """
    if await own_document(rows, actor, document_id) is None:
        return None
    return await rows.one(PublicationView, BY_DOCUMENT, [Publication.id_of(document_id)])
