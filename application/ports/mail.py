"""Port to outgoing mail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

MAIL_TIMEOUT = timedelta(minutes=11)
"""The longest time of `Mailer.send`: a mail server may take 10 minutes for its last reply (RFC 5321, 4.5.3.2.6). Kinds
of jobs that send mails have it as their `run_timeout`: a try that ends earlier sends the mail again."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one person. `template` names its text, which shows `values`: `name`, that of the person, which may be
    missing; `token`, that of the link in the mail, if it has one; `lockdown_token`, that of a link to lock the account;
    `device` and `time` of a login; `team`, the name of a team; `domain`, that of the receiver.

    `message_id`: the part of the Message-ID (RFC 5322) before the `@`; a repeat of the mail has the same one.
    """

    to: str = field(repr=False)
    template: str
    values: Mapping[str, str] = field(repr=False)
    message_id: str


class MailRefused(Exception):
    """The mail server has refused the recipient or the text for good (5xx). `code`: its reply code (RFC 5321)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the mail server refused the mail with {code}")
        self.code = code


class Mailer(Protocol):
    """Sends mails."""

    async def send(self, mail: Mail) -> None:
        """Hand a mail to the mail server.

        Raises:
            MailRefused: the server refuses this mail for good.
            Unavailable: the server does not answer, wants the mail later (4xx), or takes no mail from us now.
        """


class KeptMails(Protocol):
    """Mails that are kept, as there is no mail server. A mailer implements it, too."""

    async def forget(self, subject_id: UUID) -> None:
        """Remove what is kept of mails to a user or an address, or about a team, that was erased.

        Raises:
            Unavailable: they cannot be removed now.
        """
