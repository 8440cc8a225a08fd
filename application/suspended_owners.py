"""Accounts that wait for their deletion: what belongs to them does not exist for other people.

Commands ask the log here, so that nothing is done once the request for the deletion was stored. Reads ask
`projections/visibility.py`.
"""

from uuid import UUID

from eventsourcing.utils import get_topic

from application.ports import Actor, EventStore, Unreadable
from domain.content.document import Document
from domain.content.publication import Publication
from domain.content.share_link import ShareLinks
from domain.identity.user import User
from domain.kernel import NotFound, Party, Root


async def require_shown(root: Root, actor: Actor | None, events: EventStore) -> None:
    """Refuse what belongs to another user than the actor, while that user's account waits for its deletion.

    `actor`: None is the system, which sees everything.

    Raises:
        NotFound: it does not exist for the actor.
        Unavailable: the database does not answer.
    """
    owner = _owner_of(root)
    if actor is None or owner is None or owner.kind != "user" or owner.id == actor.user_id:
        return
    if await _waits_for_deletion(owner.id, events):
        raise NotFound(f"There is no such {type(root).__name__.lower()}.")


def _owner_of(root: Root) -> Party | None:
    """Return the present owner; None: that of a document, which each use case loads, too."""
    match root:
        case Document():
            return root.owner
        case ShareLinks() | Publication():
            return None
        case _:
            return root.tenant


async def _waits_for_deletion(user_id: UUID, events: EventStore) -> bool:
    try:
        user = await events.load(User, user_id)
    except Unreadable:
        return await asks_for_deletion(user_id, events)
    return user is not None and user.deletion_due is not None


async def asks_for_deletion(user_id: UUID, events: EventStore) -> bool:
    """Return whether a user who cannot be read has requested a deletion since the last one that they withdrew.

    The kinds of the events are enough for that. Raises `Unavailable`.
    """
    requested = await events.last_position(user_id, {get_topic(User.DeletionRequested)})
    return requested > await events.last_position(user_id, {get_topic(User.DeletionWithdrawn)})
