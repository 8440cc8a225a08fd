"""The mailer: SMTP if a mail server is set, else files in the data folder."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.mail.file_mailer import FileMailer
from adapters.mail.mailboxes import Sender
from adapters.mail.message import Composer
from adapters.mail.pages import LinkPages
from adapters.mail.smtp_mailer import SmtpMailer
from adapters.mail.smtp_server import SmtpServer
from application.ports import EmailIndex, Mailer
from infra.bootstrap.write_side import utc_now
from infra.settings.http import HttpSettings
from infra.settings.installation import InstallationSettings
from infra.settings.mail import MailSettings

MAIL_FOLDER = "mail"
"""Mails as files, within the data folder."""

API_PAGES = "/v1/auth/links/{purpose}#token={token}"
"""Pages of the API. What follows the # stays in the browser: it is in no request and in no log."""


@asynccontextmanager
async def open_mailer(
    mail: MailSettings, http: HttpSettings, installation: InstallationSettings, addresses: EmailIndex | None = None
) -> AsyncIterator[Mailer]:
    """Open the mailer; close its connections at the end. Opening succeeds even if the mail server is down.

    `addresses`: by which mails that are files are found when their address is erased.
    """
    server = mail.server()
    if server is None:
        yield FileMailer(mail_folder(installation), composer(mail, http), utc_now, addresses)
        return
    mailer = SmtpMailer(server, composer(mail, http), utc_now)
    try:
        yield mailer
    finally:
        await mailer.close()


async def check_server(server: SmtpServer, mail: MailSettings, http: HttpSettings) -> None:
    """Connect to the mail server and log in.

    Raises:
        Unavailable: this fails.
    """
    mailer = SmtpMailer(server, composer(mail, http), utc_now)
    try:
        await mailer.check()
    finally:
        await mailer.close()


def mail_folder(installation: InstallationSettings) -> Path:
    """Return the folder of mails as files."""
    return installation.data_dir / MAIL_FOLDER


def composer(mail: MailSettings, http: HttpSettings) -> Composer:
    """Return what writes the mails of this installation."""
    pages = mail.link_url or http.public_url.rstrip("/") + API_PAGES
    return Composer(Sender.parse(mail.sender), LinkPages(pages))
