"""Job: the end of the mails that were kept of an erased user, team or address."""

from typing import ClassVar
from uuid import UUID

from application.jobs import Job, performs
from application.mail_jobs import UNTIL_DEADLINE
from application.ports import KeptMails


class ForgetMails(Job, frozen=True, kw_only=True):
    """Remove what is kept of mails to a user or an address, or about a team."""

    kind: ClassVar[str] = "forget_mails"
    retries = UNTIL_DEADLINE

    subject_id: UUID

    @property
    def effect_key(self) -> str:
        """Who was erased. A repeat finds nothing."""
        return self.subject_id.hex


@performs
async def forget_mails(job: ForgetMails, kept_mails: KeptMails) -> None:
    await kept_mails.forget(job.subject_id)
