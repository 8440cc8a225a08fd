"""Connections to a mail server, kept for the next mails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from adapters.mail.smtp_server import SmtpServer
from application.ports import Unavailable

MAX_CONNECTIONS = 4
"""Connections of a process; further mails wait for one."""

MAX_IDLE_SECONDS = 20.0
"""How long a connection is kept without a mail; servers close it after 5 minutes or less."""

CONNECT_SECONDS = 10.0
"""The longest time until the server's greeting, with its TLS handshake."""

COMMAND_SECONDS = 10.0
"""The longest time until the reply to a command before the text of the mail."""

CHECK_SECONDS = 3.0
"""The longest time until a kept connection shows that it is still open."""


class SmtpConnections:
    """Lends connections. One that fails is closed; the next mail takes another."""

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: dict[SMTP, asyncio.TimerHandle] = {}

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[SMTP]:
        """Lend a connection that is logged in and has no mail begun.

        Raises:
            Unavailable: the server does not answer, is not the one of its certificate, or does not take our login.
        """
        async with self._free:
            smtp = await self._kept() or await self._opened()
            try:
                yield smtp
            except BaseException:
                smtp.close()
                raise
            self._keep(smtp)

    async def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            smtp, timer = self._idle.popitem()
            timer.cancel()
            with suppress(SMTPException):
                await smtp.quit(timeout=CHECK_SECONDS)
            smtp.close()

    async def _kept(self) -> SMTP | None:
        """Return a kept connection that is still open."""
        while self._idle:
            smtp, timer = self._idle.popitem()
            timer.cancel()
            try:
                await smtp.rset(timeout=CHECK_SECONDS)
            except SMTPException:
                smtp.close()
            else:
                return smtp
        return None

    async def _opened(self) -> SMTP:
        server = self._server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=server.greeting_name,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            cert_bundle=server.authorities,
            timeout=COMMAND_SECONDS,
        )
        try:
            await smtp.connect(timeout=CONNECT_SECONDS)
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
        except (SMTPException, OSError, ValueError) as error:
            smtp.close()
            raise Unavailable(f"The mail server ({reason(error)})") from None
        return smtp

    def _keep(self, smtp: SMTP) -> None:
        if smtp.is_connected:
            self._idle[smtp] = asyncio.get_running_loop().call_later(MAX_IDLE_SECONDS, self._expire, smtp)

    def _expire(self, smtp: SMTP) -> None:
        del self._idle[smtp]
        smtp.close()


def reason(error: Exception) -> str:
    """Return what failed, for operators. The text of an error may name addresses, so it is left out."""
    code = f" {error.code}" if isinstance(error, SMTPResponseException) else ""
    return type(error).__name__ + code
