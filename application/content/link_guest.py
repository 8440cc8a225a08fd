"""What use cases share about the guests of share links."""

from datetime import datetime

from application.lookup import find
from application.ports import Actor, Store
from domain.content.document import Document
from domain.content.link_guest import LinkGuest


async def guest_of(store: Store, document: Document, actor: Actor) -> LinkGuest | None:
    """Return the links by which the actor came to a document; None: they never came by one."""
    return await find(store, LinkGuest, LinkGuest.id_of(document.id, actor.user_id))


async def links_left(store: Store, document: Document, actor: Actor, now: datetime) -> list[LinkGuest]:
    """Return the actor's visits to a document, after they gave back the roles that links gave them."""
    guest = await guest_of(store, document, actor)
    if guest is None:
        return []
    guest.leave(now=now)
    return [guest]
