"""Use cases of public documents."""

from dataclasses import dataclass
from uuid import UUID

from application.commands import Command, handles
from application.lookup import find
from application.ports import Actor, Clock, Store
from domain.content.document import Document
from domain.content.publication import Publication


@dataclass(frozen=True, slots=True)
class PublicationView:
    """A public document. `id`: the public one; `indexed`: search engines may list it."""

    id: UUID
    document_id: UUID
    indexed: bool


class PublishDocument(Command[PublicationView]):
    """Make a document public."""

    id: UUID
    indexed: bool = False


class WithdrawDocument(Command[None]):
    """End the publication of a document."""

    id: UUID


@handles
async def publish_document(cmd: PublishDocument, store: Store, actor: Actor, clock: Clock) -> PublicationView:
    document = await store.get(Document, cmd.id)
    document.require("publish", actor)
    publication = await find(store, Publication, Publication.id_of(cmd.id)) or Publication.start(document, now=clock())
    publication.publish(document, indexed=cmd.indexed, by=actor, now=clock())
    store.save(publication)
    return PublicationView(publication.id, document.id, publication.indexed)


@handles
async def withdraw_document(cmd: WithdrawDocument, store: Store, actor: Actor, clock: Clock) -> None:
    document = await store.get(Document, cmd.id)
    document.require("publish", actor)
    publication = await find(store, Publication, Publication.id_of(cmd.id))
    if publication is not None:
        publication.withdraw(document, by=actor, now=clock())
        store.save(publication)
