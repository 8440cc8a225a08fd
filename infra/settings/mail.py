"""Mail: the mail server, the sender, and the pages that links lead to."""

from typing import Annotated
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationInfo

from adapters.mail.mailboxes import Sender
from adapters.mail.smtp_server import Security, SmtpServer
from infra.settings.subject import Subject, url_check
from infra.settings.tls import require_tls

DEFAULT_SENDER = "Palimpsest <palimpsest@localhost>"
STARTTLS = {"starttls": ["yes"]}
PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}


def _known_options(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    options = parse_qs(parts.query, keep_blank_values=True)
    if options and (options != STARTTLS or parts.scheme == "smtps"):
        raise ValueError("has options, and there is only one: ?starttls=yes, after smtp://")
    return value


def _encrypted(value: SecretStr, info: ValidationInfo) -> SecretStr:
    host = urlsplit(value.get_secret_value()).hostname or ""
    verified = _security(value) != "none"
    require_tls(info, [host], verified=verified, advice="write smtps://, or add ?starttls=yes to smtp://")
    return value


def _security(url: SecretStr) -> Security:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme == "smtps":
        return "tls"
    return "starttls" if parts.query else "none"


def _sender(value: str, info: ValidationInfo) -> str:
    try:
        Sender.parse(value)
    except ValueError:
        raise ValueError("is not a sender like Palimpsest <no-reply@example.org>") from None
    if value == DEFAULT_SENDER and info.data.get("url") is not None:
        raise ValueError("is not set, and PALIMPSEST_SMTP_URL needs it.")
    return value


def _link_pattern(value: str) -> str:
    parts = urlsplit(value)
    complete = parts.scheme in ("http", "https") and parts.netloc and "{purpose}" in value and "{token}" in value
    if not complete or any(map(str.isspace, value)):
        raise ValueError("is not an address like https://app.example.org/{purpose}#token={token}")
    return value


SmtpUrl = Annotated[
    SecretStr,
    AfterValidator(url_check("smtp", "smtps")),
    AfterValidator(_known_options),
    AfterValidator(_encrypted),
]


class MailSettings(Subject):
    """Where mails go, who sends them, and where their links lead."""

    url: SmtpUrl | None = Field(
        None,
        validation_alias="PALIMPSEST_SMTP_URL",
        description="Mail server: smtps://user:password@host, or smtp://...?starttls=yes; none: mails are only files "
        "in the data folder",
    )
    authorities: FilePath | None = Field(
        None,
        validation_alias="PALIMPSEST_SMTP_CAFILE",
        description="Certificate authorities of the mail server to trust besides those of the system (PEM)",
    )
    timeout: float = Field(
        25.0,
        ge=1,
        le=50,
        validation_alias="PALIMPSEST_SMTP_TIMEOUT",
        description="Maximum seconds until the mail server is ready for the text of a mail",
    )
    sender: Annotated[str, AfterValidator(_sender)] = Field(
        DEFAULT_SENDER,
        validation_alias="PALIMPSEST_MAIL_FROM",
        validate_default=True,
        description="Sender of all mails, Name <address>; its domain stands in their Message-IDs",
    )
    link_url: Annotated[str, AfterValidator(_link_pattern)] | None = Field(
        None,
        validation_alias="PALIMPSEST_LINK_URL",
        description="Pages of a front end for links in mails, with {purpose} (verify, reset, forgot, email, undo, "
        "lockdown, withdraw) and {token}, best behind #, where no log gets it; none: pages of the API",
    )

    def server(self) -> SmtpServer | None:
        """The mail server; None: mails are files."""
        if self.url is None:
            return None
        parts = urlsplit(self.url.get_secret_value())
        security = _security(self.url)
        return SmtpServer(
            host=parts.hostname or "",
            port=parts.port or PORTS[security],
            security=security,
            greeting_name=Sender.parse(self.sender).domain,
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            authorities=None if self.authorities is None else str(self.authorities),
            timeout=self.timeout,
        )
