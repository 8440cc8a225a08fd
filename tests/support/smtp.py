"""A mail server for tests: aiosmtpd with a ledger of the mails that it has accepted.

In a test: `async with smtp_server(ledger) as address`, in the test's own event loop. Beside other processes:
`running_smtp(folder)`, or `python -m tests.support.smtp --port 2525 LEDGER`, a process that may be killed: a mail is in
the ledger, a file, before the server says that it has accepted it.
"""

import argparse
import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any, cast
from warnings import catch_warnings, simplefilter

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from adapters.mail.smtp_server import Security
from infra.local.servers.process import free_port
from tests.support.killable import HOST, KillableServer

OK = "250 accepted"


@dataclass(frozen=True)
class ReceivedMail:
    """A mail as a server took it. `recipient`, `sender`: of the envelope; `to`: of the header field."""

    message_id: str
    sender: str
    recipient: str
    to: str
    subject: str
    text: str
    html: str
    raw: str

    @classmethod
    def parse(cls, content: bytes, sender: str = "", recipient: str = "") -> "ReceivedMail":
        """Return the mail of its bytes."""
        message = message_from_bytes(content, EmailMessage, policy=SMTPUTF8)
        fields = {name: str(message[header]) for name, header in FIELDS.items()}
        texts = {kind: _text(message, kind) for kind in ("plain", "html")}
        return cls(
            **fields,
            sender=sender,
            recipient=recipient,
            text=texts["plain"],
            html=texts["html"],
            raw=content.decode("utf-8", "surrogateescape"),
        )

    @property
    def link(self) -> str:
        """The address that the mail's button leads to."""
        return next(line for line in self.text.splitlines() if line.startswith("http"))


FIELDS = {"message_id": "Message-ID", "to": "To", "subject": "Subject"}


def _text(message: Any, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content())


class Ledger:
    """The mails that a server has accepted, a line of JSON each, in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, mail: ReceivedMail) -> None:
        """Write a mail to disk."""
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(mail)) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def mend(self) -> None:
        """Cut a torn last line off: the server was killed before it accepted that mail."""
        if self.path.exists():
            os.truncate(self.path, self.path.read_bytes().rfind(b"\n") + 1)

    def read_from(self, offset: int) -> tuple[list[ReceivedMail], int]:
        """Return the mails from a byte of the file on, and the byte after them. A torn last line is left out."""
        if not self.path.exists():
            return [], offset
        with self.path.open("rb") as file:
            file.seek(offset)
            lines = file.read().split(b"\n")[:-1]
        mails = [ReceivedMail(**json.loads(line)) for line in lines]
        return mails, offset + sum(len(line) + 1 for line in lines)

    def mails(self, recipient: str | None = None) -> list[ReceivedMail]:
        """Return the mails, or those to one recipient, in the order of their arrival. A torn last line is left out."""
        mails, _ = self.read_from(0)
        return [mail for mail in mails if recipient in (None, mail.recipient)]


Reply = Callable[["Handler"], Awaitable[str]]


class Handler:
    """Answers commands. `commands`: those that arrived, without their arguments.

    `DATA` stands for the text of a mail, and `ACCEPTED` for the moment after the mail was written to the ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.port = 0
        self.ledger = ledger
        self._replies: dict[str, list[str | Reply]] = {}
        self.commands: list[str] = []
        self.connections: list[SMTP] = []

    def reply(self, command: str, *answers: str | Reply) -> None:
        """Give these answers to the next commands of this name; `OK` is the usual one."""
        self._replies.setdefault(command, []).extend(answers)

    @property
    def url(self) -> str:
        """The address as a setting."""
        return f"smtp://{HOST}:{self.port}"

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections.append(server)
        await self._answer("EHLO")
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._answer("MAIL")
        if answer == OK:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._answer("RCPT")
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_RSET(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return await self._answer("RSET")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        answer = await self._answer("DATA")
        if answer != OK:
            return answer
        self.ledger.add(ReceivedMail.parse(content, envelope.mail_from or "", envelope.rcpt_tos[0]))
        return await self._answer("ACCEPTED")

    def cut(self, connection: SMTP) -> None:
        """Cut a connection."""
        if connection.transport is not None:
            # Python 3.11.2 fails at a TLS connection that is closed already.
            with suppress(AttributeError):
                cast(asyncio.WriteTransport, connection.transport).abort()

    async def _answer(self, command: str) -> str:
        self.commands.append(command)
        answers = self._replies.get(command)
        answer = answers.pop(0) if answers else OK
        return answer if isinstance(answer, str) else await answer(self)


async def cut(handler: Handler) -> str:
    """Cut the last connection, before the reply."""
    handler.cut(handler.connections[-1])
    return OK


@dataclass(frozen=True)
class Protection:
    """How a server wants to be reached. `context`: its side of TLS; `login`: the user and password that it takes."""

    security: Security = "none"
    context: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None


UNPROTECTED = Protection()


@asynccontextmanager
async def smtp_server(
    ledger: Ledger, protection: Protection = UNPROTECTED, *, port: int = 0, utf8: bool = True
) -> AsyncIterator[Handler]:
    """Serve in this event loop."""
    handler = Handler(ledger)

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode()) if isinstance(data, LoginPassword) else None
        return AuthResult(success=given == protection.login, handled=False)

    starttls = protection.context if protection.security == "starttls" else None
    tls = protection.context if protection.security == "tls" else None

    def protocol() -> SMTP:
        with catch_warnings():
            simplefilter("ignore")  # a login without TLS is what some tests are about
            return SMTP(
                handler,
                hostname="mail.test",
                enable_SMTPUTF8=utf8,
                tls_context=starttls,
                require_starttls=starttls is not None,
                authenticator=authenticate if protection.login else None,
                auth_required=protection.login is not None,
                auth_require_tls=False,
            )

    server = await asyncio.get_running_loop().create_server(protocol, HOST, port, ssl=tls)
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()
        for connection in handler.connections:
            handler.cut(connection)


class RudeProtocol(asyncio.Protocol):
    """A connection that begins with these bytes, and answers every line with the same reply, or not at all."""

    def __init__(self, greeting: bytes, reply: bytes = b"") -> None:
        self._greeting = greeting
        self._reply = reply

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._greeting)

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._reply * data.count(b"\n"))


@asynccontextmanager
async def rude_server(greeting: bytes, reply: bytes = b"") -> AsyncIterator[int]:
    """A server that is none, for a while. Yields its port."""
    server = await asyncio.get_running_loop().create_server(lambda: RudeProtocol(greeting, reply), HOST)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def settings_of(url: str) -> dict[str, str]:
    """The settings of a process that sends its mails by the server at `url`."""
    return {"PALIMPSEST_SMTP_URL": url, "PALIMPSEST_MAIL_FROM": "Palimpsest <no-reply@palimpsest.example>"}


class SmtpProcess(KillableServer):
    """A server in a process of its own; it keeps its port and its ledger."""

    MODULE = "tests.support.smtp"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.ledger = Ledger(folder / "mails.jsonl")
        super().__init__(self.ledger.path, port or free_port())

    @property
    def url(self) -> str:
        """The address as a setting."""
        return f"smtp://{HOST}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of processes that send mails by it."""
        return settings_of(self.url)


@contextmanager
def running_smtp(folder: Path) -> Iterator[SmtpProcess]:
    """A server in a process of its own, for a while."""
    server = SmtpProcess(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


async def serve(port: int, ledger: Path) -> None:
    """Serve until the process ends."""
    Ledger(ledger).mend()
    async with smtp_server(Ledger(ledger), port=port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A mail server that keeps what it accepts in a ledger.")
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("ledger", type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.ledger))
