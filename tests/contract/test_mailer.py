"""Every mailer keeps its promise, tests that know only the port and what arrives; then SMTP with rude servers."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from adapters.mail import connections, smtp_mailer
from adapters.mail.file_mailer import FileMailer
from adapters.mail.message import NO_SUCH_MAILBOX, Composer, OutgoingMail
from adapters.mail.smtp_mailer import LATER_SECONDS, SmtpMailer
from adapters.mail.smtp_server import Security, SmtpServer
from adapters.mail.templates import mail_names
from application.identity.account_jobs import LINKS
from application.notices import NoticeTemplate
from application.ports import Mail, Mailer, MailRefused, Unavailable
from tests.support.certificates import Certificates
from tests.support.killable import HOST
from tests.support.mails import COMPOSE, TOKEN, clock, mail
from tests.support.smtp import (
    OK,
    Handler,
    Ledger,
    Protection,
    ReceivedMail,
    cut,
    rude_server,
    running_smtp,
    smtp_server,
)
from tests.support.waiting import until

NOTICES = get_args(NoticeTemplate)

Received = Callable[[], list[ReceivedMail]]
LOGIN = ("palimpsest", "hunter2-canary")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "mails.jsonl")


@pytest.fixture
async def server(ledger: Ledger) -> AsyncIterator[Handler]:
    """A mail server in this event loop."""
    async with smtp_server(ledger) as serving:
        yield serving


@asynccontextmanager
async def mailer_to(
    port: int,
    security: Security = "none",
    *,
    login: tuple[str, str] | None = None,
    compose: Composer = COMPOSE,
    **more: Any,
) -> AsyncIterator[SmtpMailer]:
    """A mailer to a server, closed at the end."""
    user, password = login or (None, None)
    mailer = SmtpMailer(SmtpServer(HOST, port, security, "palimpsest.example", user, password, **more), compose, clock)
    try:
        yield mailer
    finally:
        await mailer.close()


@pytest.fixture(params=["file", "smtp"])
async def pair(
    request: pytest.FixtureRequest, tmp_path: Path, server: Handler
) -> AsyncIterator[tuple[Mailer, Received]]:
    """A mailer, and what has arrived."""
    if request.param == "file":
        folder = tmp_path / "mail"
        yield FileMailer(folder, COMPOSE, clock), lambda: [ReceivedMail.parse(f.read_bytes()) for f in folder.iterdir()]
        return
    async with mailer_to(server.port) as mailer:
        yield mailer, server.ledger.mails


@pytest.mark.parametrize("template", mail_names())
async def test_a_mail_arrives_as_text_and_as_html(pair: tuple[Mailer, Received], template: str) -> None:
    mailer, received = pair
    await mailer.send(mail(template, to="ada@example.org", key="mail-7"))
    (arrived,) = received()
    assert arrived.to == "ada@example.org"
    assert arrived.message_id == "<mail-7@palimpsest.example>"
    assert arrived.subject
    assert (TOKEN in arrived.text, TOKEN in arrived.html) == (
        template in {*LINKS, "invitation", "document_offer", "domain_proof", *NOTICES},
    ) * 2
    assert "\r\nAuto-Submitted: auto-generated\r\n" in arrived.raw


async def test_a_repeat_has_the_same_message_id(pair: tuple[Mailer, Received]) -> None:
    mailer, received = pair
    for _ in range(2):
        await mailer.send(mail(key="mail-7"))
    assert {each.message_id for each in received()} == {"<mail-7@palimpsest.example>"}


async def test_mails_that_are_sent_at_once_all_arrive(pair: tuple[Mailer, Received]) -> None:
    mailer, received = pair
    people = [f"p{number}@example.org" for number in range(20)]
    await asyncio.gather(*(mailer.send(mail(to=each, key=f"to-{each}")) for each in people))
    assert sorted(each.to for each in received()) == sorted(people)


@pytest.mark.parametrize(
    ("to", "written"),
    [
        ("zoë@example.org", "zoë@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("李@例え.example", "李@xn--r8jz45g.example"),
        ("a,b@example.org", '"a,b"@example.org'),
        (".a..b@example.org", '".a..b"@example.org'),
        (f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.example", None),
    ],
)
async def test_unusual_addresses_are_written_to(pair: tuple[Mailer, Received], to: str, written: str | None) -> None:
    mailer, received = pair
    await mailer.send(mail(to=to))
    (arrived,) = received()
    assert f"\r\nTo: {written or to}\r\n" in arrived.raw
    assert arrived.recipient in ("", written, to)


async def test_an_address_that_cannot_be_written_is_refused_and_not_shown(pair: tuple[Mailer, Received]) -> None:
    mailer, _ = pair
    with pytest.raises(MailRefused) as caught:
        await mailer.send(mail(to="a\r\nDATA@example.org"))
    assert caught.value.code == NO_SUCH_MAILBOX
    assert "DATA" not in str(caught.value)


async def test_an_unknown_template_is_an_error_of_ours(pair: tuple[Mailer, Received]) -> None:
    with pytest.raises(LookupError):
        await pair[0].send(mail("unknown"))


class DottedComposer(Composer):
    """Ends each mail with lines of dots."""

    def __call__(self, mail: Mail, now: datetime) -> OutgoingMail:
        outgoing = Composer.__call__(self, mail, now)
        return replace(outgoing, content=outgoing.content + DOTS)


DOTS = b".\r\n..\r\n.text\r\na.\r\n.\r\n"


async def test_lines_that_begin_with_a_dot_arrive_unchanged(server: Handler) -> None:
    async with mailer_to(server.port, compose=DottedComposer(COMPOSE.sender, COMPOSE.pages)) as mailer:
        await mailer.send(mail())
    (arrived,) = server.ledger.mails()
    boundary = re.search(r"={15}\d+==", arrived.raw)
    assert boundary
    sent = COMPOSE(mail(), clock()).content + DOTS
    assert arrived.raw == re.sub(r"={15}\d+==", boundary.group(), sent.decode())


async def test_one_connection_serves_mails_one_after_the_other(server: Handler) -> None:
    async with mailer_to(server.port) as mailer:
        for number in range(3):
            await mailer.send(mail(key=f"mail-{number}"))
    assert server.commands.count("EHLO") == 1
    assert len(server.ledger.mails()) == 3


async def test_connections_are_bounded(server: Handler) -> None:
    async with mailer_to(server.port) as mailer:
        await asyncio.gather(*(mailer.send(mail(key=f"mail-{number}")) for number in range(30)))
    assert 1 <= server.commands.count("EHLO") <= connections.MAX_CONNECTIONS
    assert len(server.ledger.mails()) == 30


async def test_an_idle_connection_is_closed(server: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_IDLE_SECONDS", 0.01)
    async with mailer_to(server.port) as mailer:
        await mailer.send(mail(key="mail-1"))
        await until(lambda: server.connections[0].transport is None)
        await mailer.send(mail(key="mail-2"))
    assert server.commands.count("EHLO") == 2


async def test_a_kept_connection_that_was_cut_loses_and_doubles_no_mail(server: Handler) -> None:
    async with mailer_to(server.port) as mailer:
        await mailer.send(mail(key="mail-1"))
        server.cut(server.connections[0])
        await mailer.send(mail(key="mail-2"))
    assert [each.message_id for each in server.ledger.mails()] == [
        "<mail-1@palimpsest.example>",
        "<mail-2@palimpsest.example>",
    ]


async def test_a_server_that_was_restarted_gets_the_next_mail(tmp_path: Path) -> None:
    with running_smtp(tmp_path) as process:
        async with mailer_to(process.port) as mailer:
            await mailer.send(mail(key="mail-1"))
            process.kill()
            with pytest.raises(Unavailable):
                await mailer.send(mail(key="mail-2"))
            process.start()
            await mailer.send(mail(key="mail-2"))
        assert [each.message_id[:7] for each in process.ledger.mails()] == ["<mail-1", "<mail-2"]


LATER = [(code, command) for code in (421, 450, 451, 452) for command in ("MAIL", "RCPT", "DATA", "ACCEPTED")]
SENDER_REFUSED = [(code, "MAIL") for code in (550, 552, 554)]


@pytest.mark.parametrize(("code", "command"), [*LATER, *SENDER_REFUSED])
async def test_a_reply_4xx_or_a_refused_sender_puts_the_mail_off_and_the_next_try_succeeds(
    server: Handler, command: str, code: int
) -> None:
    server.reply(command, f"{code} later: ada@example.org")
    async with mailer_to(server.port) as mailer:
        with pytest.raises(Unavailable) as caught:
            await mailer.send(mail())
        assert caught.value.retry_after == LATER_SECONDS
        assert str(caught.value) == f"The mail server ({code}) is not available"
        assert caught.value.__cause__ is None
        await mailer.send(mail())
    assert len(server.ledger.mails()) == (2 if command == "ACCEPTED" else 1)


@pytest.mark.parametrize("command", ["RCPT", "DATA", "ACCEPTED"])
@pytest.mark.parametrize("code", [550, 552, 554])
async def test_a_reply_5xx_refuses_this_mail_and_no_other(server: Handler, command: str, code: int) -> None:
    server.reply(command, f"{code} no: ada@example.org")
    async with mailer_to(server.port) as mailer:
        with pytest.raises(MailRefused) as caught:
            await mailer.send(mail(key="mail-1"))
        assert caught.value.code == code
        assert "ada" not in str(caught.value)
        await mailer.send(mail(key="mail-2"))
    assert server.commands.count("EHLO") == 1
    assert server.ledger.mails()[-1].message_id == "<mail-2@palimpsest.example>"


async def test_a_reply_in_the_wrong_place_is_no_success() -> None:
    """A server that answers DATA with 250 has not taken the mail."""
    async with rude_server(b"220 mail.test\r\n", b"250 yes\r\n") as port, mailer_to(port) as mailer:
        with pytest.raises(Unavailable, match="SMTPDataError 250"):
            await mailer.send(mail())


@pytest.mark.parametrize("greeting", [b"", b"554 no service\r\n", b"421 busy\r\n", b"HTTP/1.1 400 Bad Request\r\n"])
async def test_a_server_that_does_not_greet_is_an_outage(greeting: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.2)
    async with rude_server(greeting) as port, mailer_to(port) as mailer:
        with pytest.raises(Unavailable):
            await mailer.send(mail())


async def test_a_port_where_nothing_listens_is_an_outage() -> None:
    async with rude_server(b"") as port:
        pass
    async with mailer_to(port) as mailer:
        with pytest.raises(Unavailable, match="SMTPConnectError"):
            await mailer.send(mail())


@pytest.mark.parametrize("command", ["EHLO", "MAIL", "RCPT", "DATA", "ACCEPTED"])
async def test_a_server_that_stops_answering_is_an_outage(
    server: Handler, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_mailer, "LAST_REPLY_SECONDS", 0.3)
    released = asyncio.Event()

    async def slow(_: Handler) -> str:
        await released.wait()
        return "250 accepted"

    server.reply(command, slow)
    async with mailer_to(server.port, timeout=0.3) as mailer:
        with pytest.raises(Unavailable):
            await mailer.send(mail())
        released.set()
    async with mailer_to(server.port) as mailer:
        await mailer.send(mail())
    assert {each.message_id for each in server.ledger.mails()} == {"<mail-1@palimpsest.example>"}


async def test_the_reply_to_the_text_may_take_minutes(server: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the event loop goes on by four minutes; that of the server would cut the connection after five."""
    loop = asyncio.get_running_loop()
    time = loop.time

    async def slow(_: Handler) -> str:
        monkeypatch.setattr(loop, "time", lambda: time() + 240)
        await asyncio.sleep(0)  # in one turn of the loop it finds the timers that have ended
        await asyncio.sleep(0)
        return OK

    server.reply("ACCEPTED", slow)
    async with mailer_to(server.port) as mailer:
        await mailer.send(mail())
    assert len(server.ledger.mails()) == 1


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_connection_that_is_cut_before_the_mail_was_taken_is_an_outage(server: Handler, command: str) -> None:
    server.reply(command, cut)
    async with mailer_to(server.port) as mailer:
        with pytest.raises(Unavailable):
            await mailer.send(mail())
        await mailer.send(mail())
    assert server.commands.count("EHLO") == 2


async def test_after_an_unknown_outcome_the_repeat_has_the_same_message_id(server: Handler) -> None:
    server.reply("ACCEPTED", cut)
    async with mailer_to(server.port) as mailer:
        with pytest.raises(Unavailable):
            await mailer.send(mail())
        await mailer.send(mail())
    assert [each.message_id for each in server.ledger.mails()] == ["<mail-1@palimpsest.example>"] * 2


async def test_a_cancelled_mail_leaves_no_half_open_connection(server: Handler) -> None:
    async def never(_: Handler) -> str:
        await asyncio.Event().wait()
        return ""

    server.reply("RCPT", never)
    async with mailer_to(server.port) as mailer:
        sending = asyncio.create_task(mailer.send(mail()))
        await until(lambda: "RCPT" in server.commands)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await mailer.send(mail())
    assert (server.commands.count("EHLO"), len(server.ledger.mails())) == (2, 1)


async def test_a_server_without_smtputf8_refuses_only_addresses_that_need_it(ledger: Ledger) -> None:
    async with smtp_server(ledger, utf8=False) as server, mailer_to(server.port) as mailer:
        with pytest.raises(MailRefused) as caught:
            await mailer.send(mail(to="zoë@example.org"))
        assert caught.value.code == NO_SUCH_MAILBOX
        await mailer.send(mail(to="ada@bücher.example"))
    assert [each.recipient for each in ledger.mails()] == ["ada@xn--bcher-kva.example"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_goes_through_tls_with_a_login(
    ledger: Ledger, certificates: Certificates, security: Security
) -> None:
    protection = Protection(security, certificates.server(), LOGIN)
    trusted = str(certificates.authority)
    async with (
        smtp_server(ledger, protection) as server,
        mailer_to(server.port, security, login=LOGIN, authorities=trusted) as mailer,
    ):
        await mailer.check()
        await mailer.send(mail())
    assert len(ledger.mails()) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_server_that_cannot_show_who_it_is_gets_nothing(
    ledger: Ledger, certificates: Certificates, security: Security
) -> None:
    protection = Protection(security, certificates.server())
    async with smtp_server(ledger, protection) as server, mailer_to(server.port, security) as mailer:
        with pytest.raises(Unavailable):
            await mailer.send(mail())
    assert "MAIL" not in server.commands


async def test_a_server_without_starttls_gets_neither_password_nor_mail(ledger: Ledger) -> None:
    """Somebody between the two can remove STARTTLS from the server's reply."""
    protection = Protection(login=LOGIN)
    async with smtp_server(ledger, protection) as server, mailer_to(server.port, "starttls", login=LOGIN) as mailer:
        with pytest.raises(Unavailable, match="SMTPException"):
            await mailer.send(mail())
    assert server.commands == ["EHLO"]


async def test_a_wrong_login_is_an_outage_and_not_the_fault_of_the_mail(ledger: Ledger) -> None:
    wrong = (LOGIN[0], "wrong-canary")
    async with smtp_server(ledger, Protection(login=LOGIN)) as server, mailer_to(server.port, login=wrong) as mailer:
        with pytest.raises(Unavailable, match="SMTPAuthenticationError 535") as caught:
            await mailer.send(mail())
    assert "canary" not in str(caught.value)
    async with smtp_server(ledger, Protection(login=LOGIN)) as server, mailer_to(server.port) as mailer:
        with pytest.raises(Unavailable, match="530"):
            await mailer.send(mail())
