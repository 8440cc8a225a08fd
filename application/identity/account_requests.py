"""Requests of anonymous people about accounts. Each only enqueues a job: its time and answer are the same for all.

Whether an address has an account, only a worker finds out (`account_jobs.py`), and only mails say so.
"""

from uuid import UUID

from application.commands import Command, handles
from application.identity.account_jobs import FindAccountForLink, OpenRequestedAccount
from application.identity.user import require_strong
from application.ports import EmailIndex, JobQueue, Passwords
from domain.identity.links import RequestedKind
from domain.identity.profile import usable_name
from domain.identity.terms import terms_version
from domain.text import email_address


class Register(Command[None]):
    """Request an account. The address gets a mail: to verify it, or to say that it has an account."""

    email: str
    name: str
    password: str
    terms_version: str | None = None


class RequestVerification(Command[None]):
    """Request a new link that verifies an address."""

    email: str


class RequestPasswordReset(Command[None]):
    """Request a link that sets a new password."""

    email: str


@handles
async def register(
    cmd: Register, queue: JobQueue, passwords: Passwords, addresses: EmailIndex, operation_id: UUID
) -> None:
    email, name = email_address(cmd.email), usable_name(cmd.name)
    terms = None if cmd.terms_version is None else terms_version(cmd.terms_version)
    await require_strong(passwords, cmd.password, cmd.email, cmd.name)
    hashed = await passwords.hash(cmd.password)
    job = OpenRequestedAccount(
        account_id=operation_id,
        email=email,
        name=name,
        password_hash=hashed,
        terms_version=terms,
        address_id=addresses.address_id(email),
    )
    await queue.enqueue(job)


@handles
async def request_verification(
    cmd: RequestVerification, queue: JobQueue, addresses: EmailIndex, operation_id: UUID
) -> None:
    await queue.enqueue(_request(cmd.email, "verify", addresses, operation_id))


@handles
async def request_password_reset(
    cmd: RequestPasswordReset, queue: JobQueue, addresses: EmailIndex, operation_id: UUID
) -> None:
    await queue.enqueue(_request(cmd.email, "reset", addresses, operation_id))


def _request(given: str, link: RequestedKind, addresses: EmailIndex, id: UUID) -> FindAccountForLink:
    email = email_address(given)
    return FindAccountForLink(request_id=id, link=link, email=email, address_id=addresses.address_id(email))
