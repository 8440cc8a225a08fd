"""Use cases of stars."""

from uuid import UUID

from application.commands import Command, handles
from application.content.document import load_document
from application.lookup import find
from application.ports import Actor, Clock, Store
from domain.content.star import Star


class StarDocument(Command[None]):
    """Set the actor's star on a document that they may read."""

    id: UUID


class UnstarDocument(Command[None]):
    """Remove the actor's star. Without one, nothing happens."""

    id: UUID


@handles
async def star_document(cmd: StarDocument, store: Store, actor: Actor, clock: Clock) -> None:
    document = await load_document(store, cmd.id, "star", actor, clock())
    star = await find(store, Star, Star.id_of(actor.user_id, cmd.id))
    if star is None:
        star = Star.place(user_id=actor.user_id, document_id=cmd.id, now=clock())
    else:
        star.place_again(now=clock())
    store.save(document, star)


@handles
async def unstar_document(cmd: UnstarDocument, store: Store, actor: Actor, clock: Clock) -> None:
    document = await load_document(store, cmd.id, "star", actor, clock())
    star = await find(store, Star, Star.id_of(actor.user_id, cmd.id))
    store.save(document)
    if star is not None:
        star.remove(now=clock())
        store.save(star)
