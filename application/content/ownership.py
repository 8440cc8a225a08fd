"""Use cases of the transfer of a document: offer, accept, decline, withdraw."""

from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.content.document import DocumentView, charged, document_view
from application.lookup import find
from application.ports import Actor, Clock, EmailIndex, Store
from domain.billing.subscription import Subscription
from domain.content import ownership
from domain.content.document import Document
from domain.content.ownership import FormerOwner
from domain.identity.user import User
from domain.kernel import Party
from domain.teams.team import Team
from domain.text import email_address


class OfferDocument(Command[DocumentView]):
    """Offer a document to the holder of an email address."""

    id: UUID
    email: str


class OfferDocumentToTeam(Command[DocumentView]):
    """Offer a document to a team."""

    id: UUID
    team_id: UUID


class AcceptDocument(Command[DocumentView]):
    """Make the actor, or the team that the document is offered to, its owner. It counts against the owner's quota."""

    id: UUID


class DeclineDocument(Command[None]):
    """Decline the offer of a document."""

    id: UUID


class WithdrawDocumentOffer(Command[DocumentView]):
    """Withdraw the offer of a document."""

    id: UUID


@handles
async def offer_document(
    cmd: OfferDocument, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> DocumentView:
    address_id = addresses.address_id(email_address(cmd.email))
    document = await store.get(Document, cmd.id)
    ownership.offer(document, address_id=address_id, email=cmd.email, by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def offer_document_to_team(cmd: OfferDocumentToTeam, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await store.get(Document, cmd.id)
    document.require("transfer", actor)
    ownership.offer_to_team(document, await store.get(Team, cmd.team_id), by=actor, now=clock())
    store.save(document)
    return document_view(document)


@handles
async def accept_document(
    cmd: AcceptDocument, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> DocumentView:
    now = clock()
    document = await store.get(Document, cmd.id)
    team = await _offered_team(document, store)
    ownership.require_offered(document, team, actor, now)
    owner = document.owner
    former = await _former(owner, store, addresses)
    ownership.accept(document, team, former, by=actor, now=now)
    store.save(document, await charged(document, store, now), *await _released(document.id, owner, store, now))
    return document_view(document)


@handles
async def decline_document(cmd: DeclineDocument, store: Store, actor: Actor, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    ownership.decline(document, await _offered_team(document, store), by=actor, now=clock())
    store.save(document)


@handles
async def withdraw_document_offer(cmd: WithdrawDocumentOffer, store: Store, actor: Actor, clock: Clock) -> DocumentView:
    document = await store.get(Document, cmd.id)
    ownership.withdraw(document, by=actor, now=clock())
    store.save(document)
    return document_view(document)


async def _offered_team(document: Document, store: Store) -> Team | None:
    """Return the team that a document is offered to."""
    return None if document.offered_team_id is None else await find(store, Team, document.offered_team_id)


async def _former(owner: Party, store: Store, addresses: EmailIndex) -> FormerOwner | Team:
    """Return the user or the team that gives a document away."""
    if owner.kind == "team":
        return await store.get(Team, owner.id)
    email = (await store.get(User, owner.id)).email
    return FormerOwner(owner.id, addresses.address_id(email), email)


async def _released(document_id: UUID, former: Party, store: Store, now: datetime) -> list[Subscription]:
    """Return the subscription of a document's former owner, which no longer counts it."""
    subscription = await find(store, Subscription, Subscription.id_of(former))
    if subscription is None:
        return []
    subscription.release(document_id, now=now)
    return [subscription]
