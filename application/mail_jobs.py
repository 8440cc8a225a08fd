"""Base of jobs that send a mail."""

from datetime import timedelta
from typing import ClassVar

from application.jobs import Job, JobFailed, Retries
from application.ports import MAIL_TIMEOUT, Mail, Mailer, MailRefused

UNTIL_DEADLINE = Retries((1, 2, 4, 8, 16, 60, 300), repeat_last=True)
"""Requests were answered with 202, and events have happened: an outage must not lose what follows from them."""


class MailJob(Job, frozen=True, kw_only=True):
    """Base of jobs that send a mail because of an event."""

    queue: ClassVar[str] = "mail"
    retries: ClassVar[Retries] = UNTIL_DEADLINE
    run_timeout: ClassVar[timedelta] = MAIL_TIMEOUT


async def send_mail(mailer: Mailer, mail: Mail) -> None:
    """Send a mail of a job.

    Raises:
        JobFailed: the mail server refused it.
        Unavailable: the mail server does not answer.
    """
    try:
        await mailer.send(mail)
    except MailRefused as refusal:
        raise JobFailed(f"the mail server refused the mail with {refusal.code}") from None
