"""Mail by SMTP (RFC 5321).

A mail whose reply was lost may have been accepted or not. It counts as not sent: the job repeats it with the same
Message-ID, by which mail servers and mail programs recognise a repeat.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPResponse, SMTPServerDisconnected

from adapters.mail.connections import SmtpConnections, reason
from adapters.mail.message import NO_SUCH_MAILBOX, Composer, OutgoingMail
from adapters.mail.smtp_server import SmtpServer
from application.ports import Clock, Mail, MailRefused, Unavailable

ACCEPTED = (250, 251)
READY_FOR_TEXT = 354
OUR_LOGIN = (530, 534, 535, 538)
"""Refusals of our login (RFC 4954, 6): they say nothing about the mail."""

LATER_SECONDS = 60
"""When to try again after a reply that is not final. Servers that put new senders off (greylisting) want a minute or
more."""

LAST_REPLY_SECONDS = 600.0
"""The longest time until the reply to the text (RFC 5321, 4.5.3.2.6). A client that gives up earlier sends the mail
again to a server that may have taken it."""

SendingFailure = MailRefused | Unavailable

_FIRST_DOT = re.compile(rb"^\.", re.MULTILINE)


class SmtpMailer:
    """Implements `application.ports.Mailer` and `KeptMails`."""

    def __init__(self, server: SmtpServer, compose: Composer, clock: Clock) -> None:
        self._timeout = server.timeout
        self._connections = SmtpConnections(server)
        self._compose = compose
        self._clock = clock

    async def send(self, mail: Mail) -> None:
        """Send a mail.

        Raises:
            MailRefused: the server refuses the recipient or the text for good (5xx), or the address cannot be written
                to the wire.
            Unavailable: the server does not answer in time, puts the mail off (4xx), or does not take our login or
                our sender.
        """
        outgoing = self._compose(mail, self._clock())
        async with self._connected() as (smtp, limit):
            refusal = await self._transfer(smtp, outgoing, limit)
        if refusal is not None:
            raise refusal

    async def forget(self, subject_id: UUID) -> None:
        """Do nothing: no mail is kept here."""

    async def check(self) -> None:
        """Connect and log in.

        Raises:
            Unavailable: this fails.
        """
        async with self._connected():
            pass

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[SMTP, asyncio.Timeout]]:
        try:
            async with asyncio.timeout(self._timeout) as limit, self._connections.lend() as smtp:
                yield smtp, limit
        except (SMTPException, OSError) as error:
            raise Unavailable(f"The mail server ({reason(error)})") from None

    async def _transfer(self, smtp: SMTP, mail: OutgoingMail, limit: asyncio.Timeout) -> SendingFailure | None:
        """Hand over a mail. Returns what a refusal means, not raised: the connection stays usable.

        `limit`: the time of the commands, which is set again for the text.
        """
        options = []
        if mail.recipient.needs_utf8:
            if not smtp.supports_extension("smtputf8"):
                return MailRefused(NO_SUCH_MAILBOX)
            options = [b"SMTPUTF8", b"BODY=8BITMIME"]
        sender, recipient = (f"<{mailbox.address}>".encode() for mailbox in (mail.sender, mail.recipient))
        for command in ((b"MAIL", b"FROM:" + sender, *options), (b"RCPT", b"TO:" + recipient)):
            reply = await smtp.execute_command(*command)
            if reply.code not in ACCEPTED:
                return _refusal(command[0], reply.code)
        reply = await smtp.execute_command(b"DATA")
        if reply.code == READY_FOR_TEXT:
            limit.reschedule(asyncio.get_running_loop().time() + LAST_REPLY_SECONDS)
            reply = await _send_text(smtp, mail.content)
            if reply.code in ACCEPTED:
                return None
        if reply.code < 400:
            raise SMTPDataError(reply.code, "a reply in the wrong place")
        return _refusal(b"DATA", reply.code)


def _refusal(command: bytes, code: int) -> SendingFailure:
    """Return what a reply means. A refusal of MAIL is about our sender, our quota or our network: all mails get it."""
    if 500 <= code < 600 and command != b"MAIL" and code not in OUR_LOGIN:
        return MailRefused(code)
    return Unavailable(f"The mail server ({code})", LATER_SECONDS)


async def _send_text(smtp: SMTP, content: bytes) -> SMTPResponse:
    """Send the text of a mail after the reply 354. `SMTP.data` has one time for this and for the 354."""
    if smtp.protocol is None:
        raise SMTPServerDisconnected("Connection lost")
    smtp.protocol.write(_FIRST_DOT.sub(b"..", content) + b".\r\n")
    return await smtp.protocol.read_response()
