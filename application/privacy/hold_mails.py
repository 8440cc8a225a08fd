"""Job: the mail to a user whose account waits for its deletion, and is kept by a legal hold, or not any more.

It never says why: the law may forbid that. A user who has not asked for a deletion hears nothing of a hold.
"""

from typing import ClassVar, Literal
from uuid import UUID

from application.jobs import performs
from application.mail_jobs import MailJob, send_mail
from application.ports import EventStore, Mail, Mailer
from domain.identity.user import User
from domain.privacy.erasure_record import ErasureRecord

HoldTemplate = Literal["deletion_held", "deletion_resumed"]


class HoldMail(MailJob, frozen=True, kw_only=True):
    """Say that a deletion must wait, or goes on. `stream_id`, `version`: the event that is the reason for the mail."""

    kind: ClassVar[str] = "hold_mail"

    template: HoldTemplate
    record_id: UUID
    stream_id: UUID
    version: int

    @property
    def effect_key(self) -> str:
        """The left part of the Message-ID."""
        return f"{self.template}.{self.stream_id.hex}.{self.version}"


@performs
async def send_hold_mail(job: HoldMail, events: EventStore, mailer: Mailer) -> None:
    record = await events.load(ErasureRecord, job.record_id)
    if record is None or record.subject_kind != "user" or record.held != (job.template == "deletion_held"):
        return
    user = await events.load(User, record.subject_id)
    if user is not None and user.active and user.deletion_due is not None:
        await send_mail(mailer, Mail(user.email, job.template, {"name": user.name}, job.effect_key))
