"""Known answers of all that is derived from a signing key: an upgrade goes on with the links and sessions in use.

The formats are written down here once more, by HMAC alone: HKDF (RFC 5869) for one block without a salt. That of
challenges has a known answer in `tests/contract/test_challenges.py`.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import get_args
from uuid import UUID

import pytest

from adapters.derived_keys import derived_key
from adapters.http.api.cookies import CsrfTokens
from adapters.links import DerivedLinkTokens
from adapters.refresh_tokens import DerivedRefreshTokens
from application.ports import LinkPurpose

KEY = bytes(range(32))
USER, LINK, SESSION = UUID(int=7), UUID(int=8), UUID(int=9)
PURPOSES: tuple[LinkPurpose, ...] = (
    "verify",
    "reset",
    "new_email",
    "old_email",
    "undo_email",
    "lockdown",
    "share",
    "domain",
)


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)


def key_for(purpose: str) -> bytes:
    """The key that HKDF derives, with the words that separate it from all others."""
    return mac(mac(bytes(32), KEY), f"palimpsest {purpose}".encode() + b"\x01")


def text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_derived_key() -> None:
    assert derived_key(KEY, "csrf") == key_for("csrf")
    assert derived_key(KEY, "csrf").hex() == "5a74c562848313f83e7356fed923f7a7164f8126654d19ace9b0a5b0a870d61b"


def test_every_purpose_of_a_link_is_one_of_these() -> None:
    assert get_args(LinkPurpose) == PURPOSES


@pytest.mark.parametrize("purpose", PURPOSES)
def test_the_token_of_a_link(purpose: LinkPurpose) -> None:
    expected = text(USER.bytes + mac(key_for(f"link {purpose}"), USER.bytes + LINK.bytes))
    made = DerivedLinkTokens([KEY]).make(purpose, USER, LINK)
    assert (made.subject_id, made.token) == (USER, expected)
    assert made.digest == hashlib.sha256(expected.encode()).hexdigest()


def test_a_refresh_token_and_the_one_that_follows_it() -> None:
    family, secret = bytes(range(16)), bytes(range(100, 132))
    raw = SESSION.bytes + family + secret
    following = SESSION.bytes + family + mac(key_for("refresh token"), raw)
    tokens = DerivedRefreshTokens([KEY])
    first = tokens.read(text(raw))
    assert first is not None
    second = tokens.after(first)
    assert (first.session_id, second.session_id) == (SESSION, SESSION)
    assert (second.text, second.digest) == (text(following), hashlib.sha256(following).digest())
    assert first.family == second.family == hashlib.sha256(family).digest()
    assert first.digest == hashlib.sha256(raw).digest()


def test_a_csrf_token() -> None:
    token = f"nonce.{text(mac(key_for('csrf'), SESSION.bytes + b'nonce'))}"
    tokens = CsrfTokens([KEY])
    assert tokens.fits(SESSION, token, token)
    assert not tokens.fits(USER, token, token)
