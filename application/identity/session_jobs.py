"""Jobs of sessions: what follows from events that end them, and from refresh tokens that were used twice."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.identity.account import IssueLockdownLink
from application.identity.account_jobs import AccountJob, token_again
from application.jobs import Confidential, performs
from application.mail_jobs import MailJob, send_mail
from application.ports import (
    Clock,
    EventStore,
    LinkTokens,
    Mail,
    Mailer,
    NotSettled,
    SendAsSystem,
    SessionEnding,
    Sessions,
    Store,
)
from domain.identity.user import User


class ReportReuse(AccountJob, frozen=True, kw_only=True):
    """End a session of which a refresh token was used twice, and record it."""

    kind: ClassVar[str] = "report_reuse"

    user_id: UUID
    session_id: UUID

    @property
    def effect_key(self) -> str:
        """The idempotency key of `RecordReuse`."""
        return f"reuse:{self.session_id}"


class EndSessions(AccountJob, frozen=True, kw_only=True):
    """End the sessions that an event ends, in case the process that appended it did not come to that."""

    kind: ClassVar[str] = "end_sessions"
    priority: ClassVar[int] = 2

    user_id: UUID
    version: int
    kept_session_id: UUID | None = None

    @property
    def effect_key(self) -> str:
        """The event. Sessions that were ended stay as they are."""
        return f"{self.user_id.hex}.{self.version}"


class NewDeviceMail(MailJob, frozen=True, kw_only=True):
    """Send a user the mail about a login on a device that none of their known sessions was on."""

    kind: ClassVar[str] = "new_device_mail"

    user_id: UUID
    session_id: UUID
    device: Confidential[str]
    at: datetime

    @property
    def effect_key(self) -> str:
        """The left part of the Message-ID."""
        return f"new_device.{self.session_id.hex}"

    @property
    def subjects(self) -> frozenset[UUID]:
        """The user."""
        return frozenset({self.user_id})


class RecordReuse(Command[None]):
    """Record that a refresh token of a session was used twice. Its user gets a mail."""

    user_id: UUID
    session_id: UUID


@performs
async def report_reuse(job: ReportReuse, sessions: Sessions, send: SendAsSystem) -> None:
    await sessions.end(job.user_id, [job.session_id], "token_reused")
    await send(RecordReuse(user_id=job.user_id, session_id=job.session_id), job.effect_key)


@performs
async def end_sessions(job: EndSessions, sessions: Sessions) -> None:
    if not await sessions.end_all([SessionEnding(job.user_id, job.version, job.kept_session_id)]):
        raise NotSettled


@performs
async def send_new_device_mail(
    job: NewDeviceMail, events: EventStore, links: LinkTokens, mailer: Mailer, send: SendAsSystem
) -> None:
    await send(IssueLockdownLink(user_id=job.user_id), f"lockdown:{job.effect_key}")
    user = await events.load(User, job.user_id)
    if user is None or "lockdown" not in user.links:  # the account was closed or locked meanwhile
        return
    values = {
        "name": user.name,
        "device": job.device,
        "time": f"{job.at:%d %B %Y, %H:%M} UTC",
        "lockdown_token": token_again(user, "lockdown", links),
    }
    await send_mail(mailer, Mail(user.email, "new_device", values, job.effect_key))


@handles
async def record_reuse(cmd: RecordReuse, store: Store, clock: Clock) -> None:
    user = await store.get(User, cmd.user_id)
    user.report_reuse(session_id=cmd.session_id, now=clock())
    store.save(user)
