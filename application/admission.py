"""Admission: on each load, is the owner's account open, and which role do share links give the actor?

Commands ask the log here, so that nothing is done through a link once its revocation was stored. Reads ask
`projections/visibility.py`.
"""

from datetime import datetime

from application.ports import Actor, EventStore
from application.suspended_owners import require_shown
from domain.content.document import Document
from domain.content.link_guest import LinkGuest
from domain.content.share_link import ShareLinks
from domain.kernel import Root


async def admit(root: Root, actor: Actor | None, events: EventStore, now: datetime) -> None:
    """Refuse what is not to be seen at present, and note the role on a document that share links lend the actor.

    `actor`: None is the system, which sees everything.

    Raises:
        NotFound: it does not exist for the actor.
        Unavailable: the database does not answer.
        Unreadable: the links cannot be read.
    """
    await require_shown(root, actor, events)
    if isinstance(root, Document) and actor is not None:
        actor.lent.pop(root.id, None)
        if root.role_of(actor) not in ("owner", "editor"):  # no link gives more
            await _lend(root, actor, events, now)


async def _lend(document: Document, actor: Actor, events: EventStore, now: datetime) -> None:
    guest = await events.load(LinkGuest, LinkGuest.id_of(document.id, actor.user_id))
    if guest is None or not guest.link_ids:
        return
    links = await events.load(ShareLinks, ShareLinks.id_of(document.id))
    role = None if links is None else links.role_by(guest.link_ids, now)
    if role is not None:
        actor.lent[document.id] = role
