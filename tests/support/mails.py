"""Mails for tests: a sender, pages, values for each template."""

from datetime import UTC, datetime

from adapters.mail.mailboxes import Sender
from adapters.mail.message import Composer
from adapters.mail.pages import LinkPages
from application.ports import Mail

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
TOKEN = "tOkEn_-" * 9 + "A"
SAMPLES = {
    "token": TOKEN,
    "lockdown_token": "tOkEn_-" * 9 + "B",
    "device": "Firefox on Linux",
    "team": "River watch",
    "domain": "example.org",
    "time": "29 November 2026, 12:30 UTC",
}
PAGES = LinkPages("https://app.example.org/{purpose}#token={token}")
COMPOSE = Composer(Sender.parse("Palimpsest <no-reply@palimpsest.example>"), PAGES)


def mail(template: str = "verify", *, to: str = "ada@example.org", name: str = "Ada", key: str = "mail-1") -> Mail:
    """A mail of a template."""
    return Mail(to, template, {"name": name, **SAMPLES}, key)


def clock() -> datetime:
    """The time of all mails."""
    return NOW
