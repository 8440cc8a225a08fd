"""Offers of documents. Only this file writes the table; `visibility.py` and `privacy/holdings.py` read it, too.

An email address is in no row: a row has the version of the event that has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, RecordedEvent, StoredEvents
from domain.content.document import Document
from domain.kernel import PartyKind
from projections.content.document import own_document
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor
from projections.visibility import MANAGED, OFFER_HOLDS, ROLE_MODELS, SHOWN, documents_offered


@dataclass(frozen=True, slots=True)
class MadeOffer:
    """An offer of a document as its owner sees it: to the person of the `email`, or to the team `team_id`."""

    document_id: UUID
    title: str
    email: str | None
    team_id: UUID | None
    offered_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ReceivedOffer:
    """An offer of a document as the person sees it who may accept it, for the team `team_id` if it is not null.

    The owner is the present one.
    """

    document_id: UUID
    title: str
    owner_kind: PartyKind
    owner_id: UUID
    team_id: UUID | None
    offered_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredOffer:
    """A row, with the title of the document: the version of the event that offered it, and what it says."""

    document_id: UUID
    title: str
    team_id: UUID | None
    offered_version: int
    offered_at: datetime
    expires_at: datetime


class DocumentOwnershipOffers(ReadModel):
    """Offers that are neither answered nor withdrawn. Expired ones are included."""

    version = 1
    roots = (Document,)
    personal = PersonalData(
        "ids of addresses and users", "erasures withdraw offers; those of a damaged document stay, shown by no query"
    )
    table = Table(
        "document_ownership_offer",
        key={"document_id": "uuid"},
        columns={
            "address_id": "uuid",
            "team_id": "uuid",
            "offered_by": "uuid",
            "offered_version": "bigint NOT NULL",
            "offered_at": "timestamptz NOT NULL",
            "expires_at": "timestamptz NOT NULL",
        },
        indexes=["(address_id)", "(team_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.OwnershipOffered(address_id=address_id) as offered:
                yield self._put(event, offered.offered_by, offered.expires_at, address_id=address_id, team_id=None)
            case Document.OwnershipOfferedToTeam(team_id=team_id) as offered:
                yield self._put(event, offered.offered_by, offered.expires_at, address_id=None, team_id=team_id)
            case (
                Document.OwnershipOfferDeclined()
                | Document.OwnershipOfferWithdrawn()
                | Document.OwnershipTransferred()
                | Document.Erased()
            ):
                yield self.table.drop(event.stream_id)

    def _put(self, event: RecordedEvent, offered_by: UUID, expires_at: datetime, **to: UUID | None) -> Change:
        offer = {"offered_version": event.version, "offered_at": moment_of(event), "expires_at": expires_at}
        return self.table.put(event.stream_id, offered_by=offered_by, **offer, **to)


MADE = f"""
SELECT d.id AS document_id, d.title, o.team_id, o.offered_version, o.offered_at, o.expires_at
FROM read.document_ownership_offer o JOIN read.document d ON d.id = o.document_id
WHERE {MANAGED} AND o.expires_at > %(now)s
AND d.id > %(after)s ORDER BY d.id LIMIT %(size)s
"""  # noqa: S608 - our own words only
OF_DOCUMENT = """
SELECT d.id AS document_id, d.title, o.team_id, o.offered_version, o.offered_at, o.expires_at
FROM read.document d JOIN read.document_ownership_offer o ON o.document_id = d.id
WHERE d.id = %(id)s AND o.expires_at > %(now)s
"""
RECEIVED = f"""
SELECT d.id AS document_id, d.title, d.owner_kind, d.owner_id, o.team_id, o.offered_at, o.expires_at
FROM ({documents_offered()}) o JOIN read.document d ON d.id = o.document_id
WHERE {SHOWN} AND {OFFER_HOLDS} AND d.id > %(after)s ORDER BY d.id LIMIT %(size)s
"""  # noqa: S608 - our own words only


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    after: UUID


@reads(DocumentOwnershipOffers, "document", *ROLE_MODELS)
async def document_ownership_offer(
    rows: ReadStore, stored: StoredEvents, actor: Actor, document_id: UUID, now: datetime
) -> MadeOffer | None:
    """Return the open offer of a document; None: there is none, or the document does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
    """
    if await own_document(rows, actor, document_id) is None:
        return None
    found = await rows.all(StoredOffer, OF_DOCUMENT, {"id": document_id, "now": now})
    made = await _made(found, stored)
    return made[0] if made else None


@reads(DocumentOwnershipOffers, "document", "team", "team_roster")
async def made_offers(
    rows: ReadStore,
    stored: StoredEvents,
    actor: Actor,
    now: datetime,
    *,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[MadeOffer]:
    """Return the open offers of documents that the actor has the role owner on, the oldest document first.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size = bounded(limit)
    params = {"user_id": actor.user_id, "now": now, "after": _after(cursor), "size": size + 1}
    page = page_of(await rows.all(StoredOffer, MADE, params), size, lambda last: _Cursor(last.document_id))
    return Page(await _made(page.items, stored), page.next)


@reads(DocumentOwnershipOffers, "document", "team", "team_roster", "user_profile")
async def received_offers(
    rows: ReadStore, actor: Actor, now: datetime, *, cursor: str | None = None, limit: int | None = None
) -> Page[ReceivedOffer]:
    """Return the open offers to the actor's verified address or to a team of theirs, the oldest document first.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size = bounded(limit)
    who = {"user_id": actor.user_id, "address_id": actor.address_id}
    params = {**who, "now": now, "after": _after(cursor), "size": size + 1}
    return page_of(await rows.all(ReceivedOffer, RECEIVED, params), size, lambda last: _Cursor(last.document_id))


def _after(cursor: str | None) -> UUID:
    return UUID(int=0) if cursor is None else read_cursor(cursor, _Cursor).after


async def _made(found: list[StoredOffer], stored: StoredEvents) -> list[MadeOffer]:
    """Return the views of rows. The addresses of offers are in their events."""
    events = await stored.events([(each.document_id, each.offered_version) for each in found])
    return [
        MadeOffer(each.document_id, each.title, _email(event), each.team_id, each.offered_at, each.expires_at)
        for event, each in zip(events, found, strict=True)
    ]


def _email(event: object) -> str | None:
    return event.email if isinstance(event, Document.OwnershipOffered) else None
