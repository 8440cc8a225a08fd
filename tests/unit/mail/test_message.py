"""Mails as bytes: what a reader's program finds in them is what was meant, for any subject, address and sender."""

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTPUTF8, compat32
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.mail import message
from adapters.mail.mailboxes import Mailbox, Sender
from adapters.mail.message import NO_SUCH_MAILBOX, Composer
from adapters.mail.templates import MailText
from application.ports import MailRefused
from domain.kernel import Refusal
from domain.text import email_address
from tests.support.mails import COMPOSE, NOW, PAGES, mail

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=120)
WORDS = st.lists(st.text("abcäöü漢🙂=?_", min_size=1, max_size=30), min_size=1, max_size=12).map(" ".join)


def addresses(local: str) -> st.SearchStrategy[str]:
    """Addresses as the domain takes them, with these characters before the @."""
    domains = st.sampled_from(["example.org", "bücher.example", f"{'a' * 60}.{'b' * 60}.example"])
    return st.builds("{}@{}".format, st.text(local, min_size=1, max_size=64), domains).filter(is_address)


def is_address(text: str) -> bool:
    try:
        return email_address(text) == text
    except Refusal:
        return False


ADDRESSES = addresses("abz019.!#$%&'*+/=?^_`{|}~-,;:<>()[]\\\"") | addresses('aé漢ß🙂.,"')


def head_of(content: bytes) -> dict[str, str]:
    """The header fields, unfolded (RFC 5322, 2.2.3) but not decoded."""
    lines = re.sub(rb"\r\n(?=[ \t])", b"", content.partition(b"\r\n\r\n")[0]).split(b"\r\n")
    return dict(line.decode().split(": ", 1) for line in lines)


def composed(to: str = "ada@example.org", subject: str | None = None, compose: Composer = COMPOSE) -> bytes:
    if subject is None:
        return compose(mail(to=to), NOW).content
    text = MailText(subject, "text", "<p>text</p>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(message, "render", lambda *_: text)
        return compose(mail(to=to), NOW).content


def test_a_mail_has_the_header_fields_of_a_program() -> None:
    content = composed()
    assert head_of(content) | {"Content-Type": ""} == {
        "From": '"Palimpsest" <no-reply@palimpsest.example>',
        "To": "ada@example.org",
        "Subject": "Confirm your email address",
        "Date": "Sun, 29 Nov 2026 12:30:00 +0000",
        "Message-ID": "<mail-1@palimpsest.example>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "Content-Type": "",
    }


def test_both_forms_of_the_text_arrive_in_ascii_and_in_short_lines() -> None:
    content = COMPOSE(mail(name="Zoë"), NOW).content
    assert content.isascii()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert all(len(line) <= 78 for line in content.split(b"\r\n"))
    parsed: Any = message_from_bytes(content, EmailMessage, policy=SMTPUTF8)
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert all("Hello Zoë," in part.get_content() for part in parsed.iter_parts())


@given(TEXTS | WORDS)
@example("Ünd über")
@example("a" * 200)
@example("=?utf-8?q?a?=")
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    """With Python's own encoding a space could be lost (cpython issue 80701) and a long word be changed (85725)."""
    content = composed(subject=subject)
    raw = head_of(content)["Subject"]
    assert raw.isascii()
    assert str(make_header(decode_header(raw))) == subject
    assert message_from_bytes(content, policy=compat32)["To"] == "ada@example.org"
    assert all(len(word) <= 75 for word in re.findall(r"=\?utf-8\?\S*\?=", raw))


@given(ADDRESSES)
@example(f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 60}.example")
def test_an_address_stands_in_the_header_as_it_is(email: str) -> None:
    """It is not folded, and nothing but the part before the @ has other characters than ASCII."""
    content = composed(to=email)
    raw = head_of(content)["To"]
    assert raw == Mailbox.of(email).address
    assert "=?" not in raw.partition("@")[2]
    assert content.isascii() or not email.isascii()
    local, _, domain = raw.rpartition("@")
    assert domain.isascii()
    assert unquoted(local) == unquoted(email.rpartition("@")[0])


def unquoted(local: str) -> str:
    """The text that a quoted part before the @ stands for (RFC 5321, 4.1.2)."""
    return re.sub(r"\\(.)", r"\1", local[1:-1]) if re.fullmatch(r'"(?:[^"\\]|\\.)*"', local) else local


@given(ADDRESSES.filter(lambda email: not {*"[]"} & {*email}))
def test_a_program_finds_one_address_in_the_header(email: str) -> None:
    """Python 3.11.2 does not understand square brackets, although they are quoted."""
    found = getaddresses([head_of(composed(to=email))["To"]])
    assert found == [("", Mailbox.of(email).address)]


@pytest.mark.parametrize(
    ("email", "address", "needs_utf8"),
    [
        ("ada@example.org", "ada@example.org", False),
        ("ada@bücher.example", "ada@xn--bcher-kva.example", False),
        ("zoë@example.org", "zoë@example.org", True),
        ("a,b@example.org", '"a,b"@example.org', False),
        ('a"b\\@example.org', '"a\\"b\\\\"@example.org', False),
        ('"a,b"@example.org', '"a,b"@example.org', False),
        (".a@example.org", '".a"@example.org', False),
        ("a..b@example.org", '"a..b"@example.org', False),
    ],
)
def test_an_address_is_written_for_the_wire(email: str, address: str, needs_utf8: bool) -> None:
    assert Mailbox.of(email) == Mailbox(address, needs_utf8)


@pytest.mark.parametrize("email", ["", "ada", "@example.org", "ada@", "a\r\nDATA@example.org", "ada@exa mple.org"])
def test_what_cannot_be_written_to_the_wire_is_refused_without_showing_it(email: str) -> None:
    with pytest.raises(MailRefused) as caught:
        COMPOSE(mail(to=email), NOW)
    assert caught.value.code == NO_SUCH_MAILBOX
    assert not email or email not in str(caught.value)
    assert caught.value.__suppress_context__


@given(TEXTS.map(str.strip).filter(lambda name: name and name.isprintable()))
@example("Müller & Söhne, Papier und Schreibwaren seit 1898, die Freude am Schreiben")
def test_the_name_of_the_sender_is_read_as_it_was_set(name: str) -> None:
    quoted = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    sender = Sender.parse(f"{quoted} <no-reply@palimpsest.example>")
    raw = head_of(composed(compose=Composer(sender, PAGES)))["From"]
    assert raw.isascii()
    ((shown, address),) = getaddresses([raw])
    assert address == "no-reply@palimpsest.example"
    assert str(make_header(decode_header(shown))) == name


@pytest.mark.parametrize("text", ["", "Palimpsest", "zoë@example.org", "<>", "a@b\r\nBcc: c@d"])
def test_what_names_no_sender_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|ASCII"):
        Sender.parse(text)


@given(st.text(min_size=1, max_size=80))
def test_a_message_id_is_one_word_and_the_same_each_time(key: str) -> None:
    first, second = (COMPOSE(mail(key=f"m{key}"), NOW) for _ in range(2))
    assert first.message_id == second.message_id
    assert re.fullmatch(r"<[A-Za-z0-9_=+.-]+@palimpsest\.example>", first.message_id)
    assert head_of(first.content)["Message-ID"] == first.message_id
