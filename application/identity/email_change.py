"""Use cases of changing the address of an account: requested by the user, confirmed and undone by links."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.identity.confirmation import Confirmation
from application.identity.links import LinkIssuer, bearer_of
from application.ports import Actor, Clock, LinkTokens, NewId, Store
from application.security_actions import SecurityAction
from domain.identity import email_change
from domain.identity.claims import email_claim
from domain.identity.email_change import TokenDigests
from domain.identity.user import User


class RequestEmailChange(Command[None]):
    """Request another address for the actor's account. Both addresses get a mail to confirm it."""

    proves: ClassVar[SecurityAction | None] = "confirm_password"

    email: str
    password: str


class ConfirmEmailChange(Command[None]):
    """Confirm a change of address, from the address whose mail had `token`."""

    proves: ClassVar[SecurityAction | None] = "use_link"

    token: str


class UndoEmailChange(Command[None]):
    """Give the account that `token` names its former address back. The password must be set again, by a link."""

    proves: ClassVar[SecurityAction | None] = "use_link"

    token: str


class ReleaseFormerEmail(Command[None]):
    """Release the former address of an account, unless the change can still be undone."""

    id: UUID


@handles
async def request_email_change(
    cmd: RequestEmailChange,
    store: Store,
    actor: Actor,
    confirmation: Confirmation,
    links: LinkTokens,
    new_id: NewId,
    clock: Clock,
) -> None:
    user = await store.get(User, actor.user_id)
    await confirmation.require(user, cmd.password)
    link_id = new_id()
    new, old = (links.make(kind, user.id, link_id).digest for kind in ("new_email", "old_email"))
    email_change.request(user, email=cmd.email, digests=TokenDigests(link_id, new, old), now=clock())
    store.save(user)


@handles
async def confirm_email_change(
    cmd: ConfirmEmailChange, store: Store, links: LinkTokens, new_id: NewId, clock: Clock
) -> None:
    user, digest = await bearer_of(cmd.token, store, links)
    link_id, undo_digest = LinkIssuer(links, new_id, clock()).digest(user, "undo_email")
    email_change.confirm(user, token_digest=digest, undo_link_id=link_id, undo_digest=undo_digest, now=clock())
    store.save(user, *await _giving_way(user, store, clock()))


@handles
async def undo_email_change(cmd: UndoEmailChange, store: Store, links: LinkTokens, new_id: NewId, clock: Clock) -> None:
    user, digest = await bearer_of(cmd.token, store, links)
    email_change.undo(user, token_digest=digest, now=clock())
    LinkIssuer(links, new_id, clock()).issue(user, "reset")
    store.save(user)


@handles
async def release_former_email(cmd: ReleaseFormerEmail, store: Store, clock: Clock) -> None:
    user = await store.get(User, cmd.id)
    email_change.release_former(user, now=clock())
    store.save(user)


async def _giving_way(user: User, store: Store, now: datetime) -> list[User]:
    """Return the account that has to give a user's address to them, since it never verified it, if there is one."""
    holder_id = await store.claimed_by(email_claim(user.email))
    if holder_id is None or holder_id == user.id:
        return []
    holder = await store.get(User, holder_id)
    email_change.give_way(holder, now=now)
    return [holder]
