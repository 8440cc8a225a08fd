"""Use cases of opening an account and proving its address, by links that are sent by mail.

The system sends `OpenAccount` and `IssueLink`, from jobs (`account_jobs.py`). Anonymous people send the other two: the
token of a link says who they are.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.identity.links import LinkIssuer, bearer_of
from application.identity.user import require_strong
from application.ports import Clock, LinkTokens, NewId, Passwords, Store
from application.security_actions import SecurityAction
from domain.billing.subscription import Subscription
from domain.identity.claims import email_claim
from domain.identity.links import RequestedKind
from domain.identity.user import User
from domain.kernel import NotFound, Party
from domain.text import email_address


class OpenAccount(Command[None]):
    """Open an account. If the address has one, its owner gets a mail instead. A repeat of the id does nothing.

    If that one is not verified, the terms are accepted by neither registration: either may be a stranger's.
    """

    id: UUID
    email: str
    name: str
    password_hash: str
    terms_version: str | None = None


class IssueLink(Command[None]):
    """Issue a link to a user: to set a new password, or to verify the address if that is still to be done."""

    user_id: UUID
    kind: RequestedKind


class IssueLockdownLink(Command[None]):
    """Issue a link that locks a user's account, for a mail about a change that they may not have made."""

    user_id: UUID


class VerifyEmail(Command[None]):
    """Verify the address of the user that `token` names, and start their free plan."""

    proves: ClassVar[SecurityAction | None] = "use_link"

    token: str


class ResetPassword(Command[None]):
    """Set the password of the user that `token` names. It verifies the address, too."""

    proves: ClassVar[SecurityAction | None] = "use_link"

    token: str
    password: str


@handles
async def open_account(cmd: OpenAccount, store: Store, links: LinkTokens, new_id: NewId, clock: Clock) -> None:
    now = clock()
    issuing = LinkIssuer(links, new_id, now)
    email = email_address(cmd.email)
    user_id = await store.claimed_by(email_claim(email))
    if user_id == cmd.id or await _exists(store, cmd.id):
        return
    if user_id is None:
        user = User.register(id=cmd.id, email=cmd.email, name=cmd.name, password_hash=cmd.password_hash, now=now)
        if cmd.terms_version is not None:
            user.accept_terms(cmd.terms_version, now=now)
    else:
        user = await store.get(User, user_id)
        if user.email != email:  # it is the former address, which is about to be free
            return
        user.repeat_registration(now=now)
    issuing.issue(user, user.verifying_link)
    store.save(user)


@handles
async def issue_link(cmd: IssueLink, store: Store, links: LinkTokens, new_id: NewId, clock: Clock) -> None:
    user = await store.get(User, cmd.user_id)
    kind = user.verifying_link if cmd.kind == "verify" else cmd.kind
    LinkIssuer(links, new_id, clock()).issue(user, kind)
    store.save(user)


@handles
async def issue_lockdown_link(
    cmd: IssueLockdownLink, store: Store, links: LinkTokens, new_id: NewId, clock: Clock
) -> None:
    user = await store.get(User, cmd.user_id)
    LinkIssuer(links, new_id, clock()).issue_lockdown(user)
    store.save(user)


@handles
async def verify_email(cmd: VerifyEmail, store: Store, links: LinkTokens, clock: Clock) -> None:
    user, digest = await bearer_of(cmd.token, store, links)
    user.verify_email(token_digest=digest, now=clock())
    store.save(user, *await _first_plan(store, user, clock()))


@handles
async def reset_password(
    cmd: ResetPassword, store: Store, links: LinkTokens, passwords: Passwords, clock: Clock
) -> None:
    user, digest = await bearer_of(cmd.token, store, links)
    user.require_link("reset", digest, now=clock())
    await require_strong(passwords, cmd.password, user.email, user.name)
    hashed = await passwords.hash(cmd.password)
    user.reset_password(token_digest=digest, password_hash=hashed, now=clock())
    store.save(user, *await _first_plan(store, user, clock()))


async def _exists(store: Store, id: UUID) -> bool:
    """Return whether there is or was an account with this id."""
    try:
        await store.get(User, id)
    except NotFound:
        return False
    return True


async def _first_plan(store: Store, user: User, now: datetime) -> list[Subscription]:
    """Return a new free plan for a user who has none. Accounts that earlier versions opened have one."""
    payer = Party("user", user.id)
    try:
        await store.get(Subscription, Subscription.id_of(payer))
    except NotFound:
        return [Subscription.start(payer=payer, now=now)]
    return []
