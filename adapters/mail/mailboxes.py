"""Email addresses and senders as the wire takes them (RFC 5321, 5322, 6531)."""

import re
from dataclasses import dataclass
from email.header import Header
from email.utils import parseaddr

import idna

MAX_WORD_LENGTH = 75
"""The longest encoded word (RFC 2047, 2)."""

_ATEXT = r"[\w!#$%&'*+/=?^`{|}~-]+"
_DOT_ATOM = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address in its wire form: the domain in ASCII, the part before the @ quoted if it needs to be.

    `needs_utf8`: only servers with SMTPUTF8 (RFC 6531) take it.
    """

    address: str
    needs_utf8: bool

    @classmethod
    def of(cls, email: str) -> "Mailbox":
        """Return the mailbox of an address in its normal form (`domain.text.email_address`).

        Raises:
            ValueError: it cannot be written to the wire, for instance as it has control characters.
        """
        local, at, domain = email.rpartition("@")
        if not (local and at and email.isprintable()):
            raise ValueError("this is not an email address")
        if not (_DOT_ATOM.fullmatch(local) or _QUOTED.fullmatch(local)):
            local = '"' + re.sub(r'(["\\])', r"\\\1", local) + '"'
        return cls(f"{local}@{_ascii_domain(domain)}", not local.isascii())


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of all mails. `mailbox`: its address on the wire, `header`: the value of `From`."""

    mailbox: Mailbox
    header: str

    @classmethod
    def parse(cls, text: str) -> "Sender":
        """Return the sender that a text like `Name <name@example.org>` names.

        Raises:
            ValueError: the text has no address, or one that only servers with SMTPUTF8 take.
        """
        name, email = parseaddr(text if text.isprintable() else "")
        mailbox = Mailbox.of(email)
        if mailbox.needs_utf8:
            raise ValueError("the part before the @ has other characters than ASCII")
        return cls(mailbox, f"{_phrase(name)} <{mailbox.address}>" if name else mailbox.address)

    @property
    def domain(self) -> str:
        """The domain of the address."""
        return self.mailbox.address.rpartition("@")[2]


def _phrase(name: str) -> str:
    """Return a display name: quoted (RFC 5322, 3.2.5), or in encoded words."""
    if name.isascii() and name.isprintable():
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return Header(name, "utf-8", maxlinelen=MAX_WORD_LENGTH, header_name="From").encode(linesep="\r\n")


def _ascii_domain(domain: str) -> str:
    if domain.isascii() and re.fullmatch(r"[A-Za-z0-9.-]+", domain):
        return domain
    return idna.encode(domain, uts46=True).decode()
