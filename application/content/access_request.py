"""Use cases of access requests: ask, withdraw, accept, decline.

To ask loads no document: neither the answer nor its time shows whether there is one.
"""

from uuid import UUID

from application.commands import Command, handles
from application.lookup import find
from application.ports import Actor, Clock, EmailIndex, Store
from domain.content.access_request import AccessRequest
from domain.content.document import Document
from domain.content.refusals import NoSuchAccessRequest
from domain.content.roles import ShareRole
from domain.identity.user import User


class AskForAccess(Command[None]):
    """Ask for a role on a document."""

    id: UUID
    role: ShareRole
    message: str | None = None


class WithdrawAccessRequest(Command[None]):
    """Withdraw the actor's request for a document. Without one, nothing happens."""

    id: UUID


class AcceptAccessRequest(Command[None]):
    """Share a document with a user who asks for it. `role`: None is the one that they ask for."""

    id: UUID
    user_id: UUID
    role: ShareRole | None = None


class DeclineAccessRequest(Command[None]):
    """Decline a user's request for a document."""

    id: UUID
    user_id: UUID


@handles
async def ask_for_access(cmd: AskForAccess, store: Store, actor: Actor, clock: Clock) -> None:
    request = await find(store, AccessRequest, AccessRequest.id_of(cmd.id, actor.user_id))
    if request is None:
        request = AccessRequest.ask(document_id=cmd.id, role=cmd.role, message=cmd.message, by=actor, now=clock())
    else:
        request.ask_again(role=cmd.role, message=cmd.message, by=actor, now=clock())
    store.save(request)


@handles
async def withdraw_access_request(cmd: WithdrawAccessRequest, store: Store, actor: Actor, clock: Clock) -> None:
    request = await find(store, AccessRequest, AccessRequest.id_of(cmd.id, actor.user_id))
    if request is not None:
        request.withdraw(now=clock())
        store.save(request)


@handles
async def accept_access_request(
    cmd: AcceptAccessRequest, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> None:
    document, request = await _asked(store, cmd.id, cmd.user_id, actor)
    user = await store.get(User, cmd.user_id)
    if not user.active or not user.email_verified:
        raise _not_asked()
    request.accept(
        document,
        address_id=addresses.address_id(user.email),
        email=user.email,
        role=cmd.role,
        by=actor,
        now=clock(),
    )
    store.save(document, request)


@handles
async def decline_access_request(cmd: DeclineAccessRequest, store: Store, actor: Actor, clock: Clock) -> None:
    document, request = await _asked(store, cmd.id, cmd.user_id, actor)
    request.decline(document, by=actor, now=clock())
    store.save(request)


async def _asked(store: Store, id: UUID, user_id: UUID, actor: Actor) -> tuple[Document, AccessRequest]:
    """Return a document that the actor may share, and a user's request for it.

    Raises:
        NotFound, RoleTooLow: the actor may not share it.
        NoSuchAccessRequest: the user has never asked.
    """
    document = await store.get(Document, id)
    document.require("share", actor)
    request = await find(store, AccessRequest, AccessRequest.id_of(id, user_id))
    if request is None:
        raise _not_asked()
    return document, request


def _not_asked() -> NoSuchAccessRequest:
    return NoSuchAccessRequest("That user does not ask for access, or not any more.")
