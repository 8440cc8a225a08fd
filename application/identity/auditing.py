"""Use cases of operators: users become auditors, and stop being auditors."""

from application.commands import Command, handles
from application.ports import Clock, Store
from domain.identity import auditing
from domain.identity.claims import email_claim
from domain.identity.user import User
from domain.kernel import NotFound
from domain.text import email_address


class NoSuchAccount(NotFound):
    """No account has this email address."""


class AppointAuditor(Command[None]):
    """Let the user with this address read the history of others."""

    email: str
    reason: str


class DismissAuditor(Command[None]):
    """Let the user with this address no longer read the history of others. Their sessions end."""

    email: str
    reason: str


@handles
async def appoint_auditor(cmd: AppointAuditor, store: Store, clock: Clock) -> None:
    user = await _user_at(cmd.email, store)
    auditing.appoint_auditor(user, reason=cmd.reason, now=clock())
    store.save(user)


@handles
async def dismiss_auditor(cmd: DismissAuditor, store: Store, clock: Clock) -> None:
    user = await _user_at(cmd.email, store)
    auditing.dismiss_auditor(user, reason=cmd.reason, now=clock())
    store.save(user)


async def _user_at(email: str, store: Store) -> User:
    """Return the user with this address; a former address of an account is none.

    Raises:
        UnusableEmail: it is no address.
        NoSuchAccount: no account has it.
    """
    address = email_address(email)
    id = await store.claimed_by(email_claim(address))
    user = None if id is None else await store.get(User, id)
    if user is None or user.email != address:
        raise NoSuchAccount("No account has this email address.")
    return user
