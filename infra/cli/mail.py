"""`palimpsest mail`: shows the mails, and sends one to try the mail server."""

import asyncio
import secrets
from pathlib import Path
from typing import Annotated

import typer

from adapters.mail.templates import mail_names
from application.ports import Mail, MailRefused, Unavailable
from domain.kernel import Invalid
from domain.text import email_address
from infra.bootstrap.mail import composer, mail_folder, open_mailer
from infra.cli.terminal import Terminal
from infra.errors import SetupError
from infra.private_file import write_private
from infra.settings.load import load_for_mail
from infra.settings.model import MailerSettings

app = typer.Typer(
    help="Show the mails, and try the mail server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Terminal()

SAMPLE = {
    "name": "Ada Lovelace",
    "token": "sample".ljust(64, "A"),
    "lockdown_token": "sample".ljust(64, "B"),
    "domain": "example.org",
    "device": "Firefox on Linux",
    "time": "29 November 2026, 12:30 UTC",
}


@app.command()
def preview(
    template: Annotated[str, typer.Argument(help=f"One of: {', '.join(mail_names())}.")],
    html: Annotated[bool, typer.Option("--html", help="Write the HTML to a file of the data folder.")] = False,
) -> None:
    """Show a mail with sample values, as plain text. It is not sent."""
    if template not in mail_names():
        raise SetupError(f"There is no mail '{template}'. There are: {', '.join(mail_names())}.")
    settings = load_for_mail()
    text = composer(settings.mail, settings.http).text(Mail("ada@example.org", template, SAMPLE, "preview"))
    if html:
        folder = mail_folder(settings.installation)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"preview-{template}.html"
        write_private(file, text.html)
        console.print(str(file))
        return
    console.print(f"From: {settings.mail.sender}\nSubject: {text.subject}\n", style="dim")
    console.print(text.text, end="")


@app.command("send-test")
def send_test(address: Annotated[str, typer.Argument(help="The email address to send to.")]) -> None:
    """Send a test mail, and say what the mail server answered."""
    try:
        recipient = email_address(address)
    except Invalid as error:
        raise SetupError(str(error)) from None
    settings = load_for_mail()
    asyncio.run(_send(settings, recipient))
    server = settings.mail.server()
    if server is None:
        console.print(f"Written to {_newest(mail_folder(settings.installation))}: PALIMPSEST_SMTP_URL is not set.")
    else:
        console.print(f"Taken by {server.host}, port {server.port}. Look whether it arrives, and not as spam.")


async def _send(settings: MailerSettings, recipient: str) -> None:
    mail = Mail(recipient, "test", {}, f"test-{secrets.token_hex(8)}")
    try:
        async with open_mailer(settings.mail, settings.http, settings.installation) as mailer:
            await mailer.send(mail)
    except MailRefused as error:
        raise SetupError(f"The mail server refuses this mail, with {error.code}. Its log says why.") from None
    except Unavailable as error:
        advice = "Correct PALIMPSEST_SMTP_URL or PALIMPSEST_MAIL_FROM, or look into the log of the mail server."
        raise SetupError(f"{error}. {advice}") from None


def _newest(folder: Path) -> Path:
    return max(folder.glob("*.eml"))
