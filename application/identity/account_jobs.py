"""Jobs of accounts: what anonymous people have requested, and the mails about accounts.

Only a worker finds out whether an address has an account: the requests themselves take the same time for all.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar, Literal
from uuid import UUID

from application.identity.account import IssueLink, IssueLockdownLink, OpenAccount
from application.jobs import Confidential, Job, JobFailed, Retries, performs
from application.mail_jobs import UNTIL_DEADLINE, MailJob, send_mail
from application.ports import (
    ClaimTaken,
    Clock,
    EventStore,
    LinkTokens,
    Mail,
    Mailer,
    SendAsSystem,
)
from domain.identity.claims import email_claim
from domain.identity.links import LinkKind, RequestedKind
from domain.identity.user import User
from domain.text import UnusableEmail, email_address

MailTemplate = Literal[
    "verify",
    "reset",
    "address_taken",
    "password_changed",
    "token_reused",
    "confirm_new_email",
    "confirm_old_email",
    "email_changed",
    "email_in_use",
    "deletion_requested",
    "deletion_soon",
    "deletion_withdrawn",
]

LINKS: Mapping[MailTemplate, LinkKind] = {
    "verify": "verify",
    "reset": "reset",
    "confirm_new_email": "new_email",
    "confirm_old_email": "old_email",
    "email_changed": "undo_email",
}
"""The kind of link in a mail, by its template."""

WITH_LOCKDOWN: frozenset[MailTemplate] = frozenset(
    {"password_changed", "token_reused", "confirm_old_email", "deletion_requested", "deletion_soon"}
)
"""The mails with a second link, by which a user who did not do what the mail says locks the account."""

WHILE_DELETION_IS_DUE: frozenset[MailTemplate] = frozenset({"deletion_requested", "deletion_soon"})


class AccountJob(Job, frozen=True, kw_only=True):
    """Base of jobs that change an account."""

    queue: ClassVar[str] = "accounts"
    retries: ClassVar[Retries] = UNTIL_DEADLINE


class OpenRequestedAccount(AccountJob, frozen=True, kw_only=True):
    """Open the account that a registration requested."""

    kind: ClassVar[str] = "open_requested_account"
    priority: ClassVar[int] = 1
    deadline: ClassVar[timedelta] = timedelta(hours=6)

    account_id: UUID
    email: Confidential[str]
    name: Confidential[str]
    password_hash: Confidential[str]
    terms_version: str | None = None
    address_id: UUID | None = None
    """None: an earlier version has enqueued it."""

    @property
    def effect_key(self) -> str:
        """The idempotency key of `OpenAccount`."""
        return f"open:{self.account_id}"

    @property
    def subjects(self) -> frozenset[UUID]:
        """The account, and the address."""
        return frozenset({self.account_id, *([] if self.address_id is None else [self.address_id])})


class FindAccountForLink(AccountJob, frozen=True, kw_only=True):
    """Issue a link to the user with an address, if there is one."""

    kind: ClassVar[str] = "find_account_for_link"
    deadline: ClassVar[timedelta] = timedelta(hours=1)

    request_id: UUID
    link: RequestedKind
    email: Confidential[str]
    address_id: UUID | None = None
    """None: an earlier version has enqueued it."""

    @property
    def effect_key(self) -> str:
        """The idempotency key of `IssueLink`."""
        return f"link:{self.request_id}"

    @property
    def subjects(self) -> frozenset[UUID]:
        """The address."""
        return frozenset([] if self.address_id is None else [self.address_id])


class AccountMail(MailJob, frozen=True, kw_only=True):
    """Send a user the mail about one event of their account. `version`: that of the event."""

    kind: ClassVar[str] = "account_mail"

    template: MailTemplate
    user_id: UUID
    version: int
    link_id: UUID | None = None

    @property
    def effect_key(self) -> str:
        """The left part of the Message-ID."""
        return f"{self.template}.{self.user_id.hex}.{self.version}"


@performs
async def open_requested_account(job: OpenRequestedAccount, send: SendAsSystem) -> None:
    command = OpenAccount(
        id=job.account_id,
        email=job.email,
        name=job.name,
        password_hash=job.password_hash,
        terms_version=job.terms_version,
    )
    try:
        await send(command, job.effect_key)
    except ClaimTaken:
        # Another account took the address at the same time. Now the command finds that account.
        await send(command, job.effect_key)


@performs
async def find_account_for_link(job: FindAccountForLink, events: EventStore, send: SendAsSystem) -> None:
    try:
        user = await _holder_of(email_address(job.email), events)
    except UnusableEmail:
        return
    if user is not None:
        await send(IssueLink(user_id=user.id, kind=job.link), job.effect_key)


@performs
async def send_account_mail(
    job: AccountMail, events: EventStore, links: LinkTokens, mailer: Mailer, send: SendAsSystem, clock: Clock
) -> None:
    if job.template in WITH_LOCKDOWN:
        await send(IssueLockdownLink(user_id=job.user_id), f"lockdown:{job.effect_key}")
    user = await events.load(User, job.user_id)
    if user is None or not _is_wanted(job, user, clock()):
        return
    if job.template == "confirm_new_email":
        mail = await _mail_to_new_address(job, user, events, links)
    else:
        to = user.former_email if job.template == "email_changed" else user.email
        mail = None if to is None else Mail(to, job.template, _values(job, user, links), job.effect_key)
    if mail is not None:
        await send_mail(mailer, mail)


async def _holder_of(email: str, events: EventStore) -> User | None:
    """Return the user whose present address this is."""
    user_id = await events.claimed_by(email_claim(email))
    user = None if user_id is None else await events.load(User, user_id)
    return user if user is not None and user.email == email else None


async def _mail_to_new_address(job: AccountMail, user: User, events: EventStore, links: LinkTokens) -> Mail | None:
    """Return the mail to the address that a user wants: its link, or a note to a verified account that has it.

    Only here it is seen whether the address is free; the user gets the same answer and the same mail for all addresses.
    """
    email = user.new_email
    if email is None:
        return None
    holder = await _holder_of(email, events)
    is_free = await events.claimed_by(email_claim(email)) is None
    if is_free or (holder is not None and not holder.email_verified):
        return Mail(email, job.template, _values(job, user, links), job.effect_key)
    if holder is None or not holder.active:
        return None
    return Mail(email, "address_taken", {"name": holder.name}, job.effect_key)


def _is_wanted(job: AccountMail, user: User, now: datetime) -> bool:
    """Return whether the mail still says what is true: the account is open, and a link has not ended."""
    if job.template in WITH_LOCKDOWN and "lockdown" not in user.links:
        return False  # it was used meanwhile
    if job.template in LINKS:
        link = user.links.get(LINKS[job.template])
        return link is not None and link["id"] == job.link_id and now < link["expires_at"]
    if job.template in WHILE_DELETION_IS_DUE and user.deletion_due is None:
        return False
    # While its address is not verified, an account that is registered again gets a link instead.
    return user.active and (job.template != "address_taken" or user.email_verified)


def _values(job: AccountMail, user: User, links: LinkTokens) -> Mapping[str, str]:
    """Return the values of the mail's template.

    Raises:
        JobFailed: the key that made the token of a link was destroyed.
    """
    values = {"name": user.name}
    kind = LINKS.get(job.template)
    if kind is not None:
        values["token"] = token_again(user, kind, links)
    if job.template in WITH_LOCKDOWN:
        values["lockdown_token"] = token_again(user, "lockdown", links)
    return values


def token_again(user: User, kind: LinkKind, links: LinkTokens) -> str:
    """Return the token of a user's present link.

    Raises:
        JobFailed: the key that made it was destroyed.
    """
    link = user.links[kind]
    made = links.again(kind, user.id, link["id"], link["digest"])
    if made is None:
        raise JobFailed("the signing key of the link was destroyed; the user must request a new link")
    return made.token
