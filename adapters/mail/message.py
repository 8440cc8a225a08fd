"""Mails as bytes (RFC 5322): header fields that we write ourselves, and a body of plain text and HTML (RFC 2046).

The header fields are not left to Python's `email`: it makes encoded words of a long word (cpython issue 85725), and may
lose the space between two words of a subject (cpython issue 80701).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from adapters.mail.mailboxes import MAX_WORD_LENGTH, Mailbox, Sender
from adapters.mail.pages import LinkPages
from adapters.mail.templates import MailText, render
from application.ports import Mail, MailRefused

NO_SUCH_MAILBOX = 553
"""The reply code of a server that does not take an address (RFC 5321, 4.2.3)."""

_NOT_IN_MESSAGE_ID = re.compile(r"[^A-Za-z0-9_=+-]+")


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """A mail ready to be sent: its parts of the envelope, and its bytes with CRLF lines."""

    sender: Mailbox
    recipient: Mailbox
    message_id: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes mails of one sender, with links to these pages."""

    sender: Sender
    pages: LinkPages

    def __call__(self, mail: Mail, now: datetime) -> OutgoingMail:
        """Return the mail as it is sent. `now`: its date.

        Raises:
            MailRefused: the address of the recipient cannot be written to the wire.
            LookupError: there is no such template, or a value that it shows is missing.
        """
        try:
            recipient = Mailbox.of(mail.to)
        except ValueError:
            raise MailRefused(NO_SUCH_MAILBOX) from None
        text = self.text(mail)
        message_id = f"<{_NOT_IN_MESSAGE_ID.sub('.', mail.message_id).strip('.')}@{self.sender.domain}>"
        fields = {
            "From": self.sender.header,
            "To": recipient.address,
            "Subject": _unstructured(text.subject),
            "Date": format_datetime(now),
            "Message-ID": message_id,
            "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday notice comes back
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return OutgoingMail(self.sender.mailbox, recipient, message_id, head.encode() + _body(text))

    def text(self, mail: Mail) -> MailText:
        """Return the text of a mail.

        Raises:
            LookupError: there is no such template, or a value that it shows is missing.
        """
        return render(mail, self.pages)


def _body(text: MailText) -> bytes:
    """Return the header fields and the content of the body, in ASCII."""
    body = EmailMessage(policy=SMTP)
    body.set_content(text.text, cte="quoted-printable")
    body.add_alternative(text.html, subtype="html", cte="quoted-printable")
    return body.as_bytes()


def _unstructured(text: str) -> str:
    """Return a text as a header field takes it: as it is, or in encoded words (RFC 2047)."""
    if text.isascii() and text.isprintable() and "=?" not in text:
        return text
    return Header(text, "utf-8", maxlinelen=MAX_WORD_LENGTH, header_name="Subject").encode(linesep="\r\n")
