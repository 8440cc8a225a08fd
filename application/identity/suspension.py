"""Use cases of the deletion of an account, which its user may withdraw, and of its lock after a misuse."""

from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.identity.authentication import Authentication
from application.identity.confirmation import Confirmation
from application.identity.links import LinkIssuer, bearer_of
from application.ports import Actor, Clock, LinkTokens, NewId, Store
from application.proofs import Proof
from application.security_actions import SecurityAction
from domain.identity import suspension
from domain.identity.user import User


class RequestDeletion(Command[None]):
    """Delete the actor's account after a time of grace, in which it is hidden."""

    proves: ClassVar[SecurityAction | None] = "confirm_password"

    password: str


class WithdrawDeletion(Command[None]):
    """Keep an account that waits for its deletion. Its user shows who they are as for a login."""

    proves: ClassVar[SecurityAction | None] = "confirm_password"

    email: str
    password: str


class RemindOfDeletion(Command[None]):
    """Remind a user that their account is about to be erased."""

    id: UUID


class LockDown(Command[None]):
    """Lock the account that `token` names. The password must be set again, by a link that is sent to its address."""

    proves: ClassVar[SecurityAction | None] = "use_link"

    token: str


@handles
async def request_deletion(
    cmd: RequestDeletion,
    store: Store,
    actor: Actor,
    confirmation: Confirmation,
    clock: Clock,
) -> None:
    user = await store.get(User, actor.user_id)
    await confirmation.require(user, cmd.password)
    suspension.request_deletion(user, now=clock())
    store.save(user)


@handles
async def withdraw_deletion(
    cmd: WithdrawDeletion,
    store: Store,
    authentication: Authentication,
    proof: Proof,
    clock: Clock,
) -> None:
    user = await authentication.user(cmd.email, cmd.password)
    proof.user_id = user.id
    suspension.withdraw_deletion(user, now=clock())
    store.save(user)


@handles
async def remind_of_deletion(cmd: RemindOfDeletion, store: Store, clock: Clock) -> None:
    user = await store.get(User, cmd.id)
    suspension.remind_of_deletion(user, now=clock())
    store.save(user)


@handles
async def lock_down(cmd: LockDown, store: Store, links: LinkTokens, new_id: NewId, clock: Clock) -> None:
    user, digest = await bearer_of(cmd.token, store, links)
    suspension.lock_down(user, token_digest=digest, now=clock())
    LinkIssuer(links, new_id, clock()).issue(user, "reset")
    store.save(user)
