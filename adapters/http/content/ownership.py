"""HTTP for the transfer of documents: parse, send, answer. Email addresses travel in bodies, never in paths."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from adapters.http.api.commands import Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import CONDITIONAL, FRESH, KEYED, listing, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body, Email, PageQuery
from application.content.document import DocumentView
from application.content.ownership import (
    AcceptDocument,
    DeclineDocument,
    OfferDocument,
    OfferDocumentToTeam,
    WithdrawDocumentOffer,
)
from domain.access import DOCUMENT
from projections.content.document_ownership_offer import (
    MadeOffer,
    ReceivedOffer,
    document_ownership_offer,
    made_offers,
    received_offers,
)
from projections.page import Page

router = Router("/v1", tag="documents")


class AddressOffer(Body):
    """The email address of the person who may become the owner."""

    email: Email


class TeamOffer(Body):
    """The team that may become the owner."""

    team_id: UUID


@router.get(
    "/ownership-offers/made",
    response_model=Page[MadeOffer],
    **listing("A page of offers.", access=DOCUMENT.action("list_offers")),
)
async def list_made_offers(paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the open offers of documents that the caller may give away: their own, and those of teams they manage."""
    cursor, limit = paged.cursor, paged.limit
    return await read.listed(made_offers, read.history, read.actor, read.now, cursor=cursor, limit=limit)


@router.get(
    "/ownership-offers/received",
    response_model=Page[ReceivedOffer],
    **listing("A page of offers.", access=DOCUMENT.action("list_offers")),
)
async def list_received_offers(paged: Annotated[PageQuery, Query()], read: List) -> Response:
    """List the documents that are offered to the caller's verified email address, or to a team of theirs."""
    return await read.listed(received_offers, read.actor, read.now, cursor=paged.cursor, limit=paged.limit)


@router.get(
    "/documents/{document_id}/ownership-offer",
    response_model=MadeOffer,
    **operation("The offer.", access=DOCUMENT.action("list_shares"), takes=FRESH),
)
async def get_document_offer(document_id: UUID, read: Read) -> Answer:
    """Get the open offer of a document. Without one: 404. Requires the owner role."""
    found = await read.query(document_ownership_offer, read.history, read.actor, document_id, read.now)
    return read.unversioned(read.found(found))


@router.post(
    "/documents/{document_id}/ownership-offer",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("transfer"), takes=CONDITIONAL, limits=["user", "invitation"]),
)
async def offer_document(document_id: UUID, body: AddressOffer, send: Send) -> Answer:
    """Offer a document to the holder of an email address, registered or not. Requires the owner role.

    The address gets a mail. The offer is open for 14 days, and takes the place of an earlier one. It ends when the
    document is moved to the trash. The caller's own address must be verified.
    """
    return await send(OfferDocument(id=document_id, email=body.email))


@router.post(
    "/documents/{document_id}/ownership-offer/team",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("transfer"), takes=CONDITIONAL),
)
async def offer_document_to_team(document_id: UUID, body: TeamOffer, send: Send) -> Answer:
    """Offer a document to a team of which the caller is an editor at least. Requires the owner role on the document.

    An owner or admin of the team accepts or declines. The offer is open for 14 days, and takes the place of an earlier
    one.
    """
    return await send(OfferDocumentToTeam(id=document_id, team_id=body.team_id))


@router.post(
    "/documents/{document_id}/ownership-offer/accept",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("answer_transfer"), takes=CONDITIONAL),
)
async def accept_document(document_id: UUID, send: Send) -> Answer:
    """Accept a document. Requires the verified email address that it is offered to, or the admin role in the team.

    The caller, or the team, is then its owner. The document counts against the quota of the new owner's plan, and no
    longer against that of the former one, who is an editor by a share from then on. It is in no folder and lent to no
    team. Tags, versions, links, other shares and the publication stay.
    """
    return await send(AcceptDocument(id=document_id))


@router.post(
    "/documents/{document_id}/ownership-offer/decline",
    **operation("The offer is declined.", access=DOCUMENT.action("answer_transfer"), takes=KEYED, status=204),
)
async def decline_document(document_id: UUID, send: Send) -> Answer:
    """Decline a document. Requires the verified email address that it is offered to, or the admin role in the team."""
    return await send(DeclineDocument(id=document_id))


@router.delete(
    "/documents/{document_id}/ownership-offer",
    response_model=DocumentView,
    **operation("The document.", access=DOCUMENT.action("transfer"), takes=CONDITIONAL),
)
async def withdraw_document_offer(document_id: UUID, send: Send) -> Answer:
    """Withdraw the offer of a document. Requires the owner role. After the response it can no longer be accepted."""
    return await send(WithdrawDocumentOffer(id=document_id))
