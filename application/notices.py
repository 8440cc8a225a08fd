"""Job: a mail to a user that says that something waits for them, or was decided, with a link to a page of it."""

from typing import ClassVar, Literal
from uuid import UUID

from application.jobs import performs
from application.mail_jobs import MailJob, send_mail
from application.ports import EventStore, Mail, Mailer
from domain.identity.user import User

NoticeTemplate = Literal[
    "access_asked",
    "access_accepted",
    "access_declined",
    "join_asked",
    "join_accepted",
    "join_declined",
    "domain_lost",
    "budget_50",
    "budget_80",
    "budget_100",
    "team_budget_50",
    "team_budget_80",
    "team_budget_100",
    "generation_dead",
]


class NoticeMail(MailJob, frozen=True, kw_only=True):
    """Send a user a notice. `about_id`: what its link leads to; `cause`: ids and numbers of what caused it."""

    kind: ClassVar[str] = "notice_mail"

    template: NoticeTemplate
    user_id: UUID
    about_id: UUID
    cause: str

    @property
    def effect_key(self) -> str:
        """The left part of the Message-ID."""
        return f"{self.template}.{self.user_id.hex}.{self.cause}"


@performs
async def send_notice(job: NoticeMail, events: EventStore, mailer: Mailer) -> None:
    user = await events.load(User, job.user_id)
    if user is not None and user.active and user.email_verified and not user.suspended:
        values = {"name": user.name, "token": str(job.about_id)}
        await send_mail(mailer, Mail(user.email, job.template, values, job.effect_key))
