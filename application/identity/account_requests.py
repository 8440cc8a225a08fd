"""Requests of anonymous people about accounts. Each only enqueues a job: its time and answer are the same for all.

Whether an address has an account, only a worker finds out (`account_jobs.py`), and only mails say so.
"""

from uuid import UUID

from application.commands import Command, handles
from application.identity.account_jobs import FindAccountForLink, OpenRequestedAccount
from application.identity.user import require_strong
from application.ports import JobQueue, Passwords
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
async def register(cmd: Register, queue: JobQueue, passwords: Passwords, operation_id: UUID) -> None:
    email, name = email_address(cmd.email), usable_name(cmd.name)
    terms = None if cmd.terms_version is None else terms_version(cmd.terms_version)
    await require_strong(passwords, cmd.password, cmd.email, cmd.name)
    hashed = await passwords.hash(cmd.password)
    job = OpenRequestedAccount(
        account_id=operation_id, email=email, name=name, password_hash=hashed, terms_version=terms
    )
    await queue.enqueue(job)


@handles
async def request_verification(cmd: RequestVerification, queue: JobQueue, operation_id: UUID) -> None:
    await queue.enqueue(FindAccountForLink(request_id=operation_id, link="verify", email=email_address(cmd.email)))


@handles
async def request_password_reset(cmd: RequestPasswordReset, queue: JobQueue, operation_id: UUID) -> None:
    await queue.enqueue(FindAccountForLink(request_id=operation_id, link="reset", email=email_address(cmd.email)))
