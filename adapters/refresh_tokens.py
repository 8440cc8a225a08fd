"""Refresh tokens: random at first; each one that replaces another is computed from it, so it can be given again.

A token is the id of its session (16 bytes), what all tokens of the session share (16), and a secret (32), as 86
characters of base64url (RFC 4648). The first secret is random. The next one is HMAC-SHA-256 (RFC 2104) of the whole
token before, under a key that HKDF (RFC 5869) derives from a signing key. So digests are all that is stored, and still
the answer to a lost request can be given again. The shared part tells an older token from a text that is made up.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID

from adapters.derived_keys import derived_key
from application.ports import RefreshToken, TokenText

ID_BYTES = 16
FAMILY_BYTES = 16
SECRET_BYTES = 32
TOKEN_FORM = re.compile("[A-Za-z0-9_-]{86}")


class DerivedRefreshTokens:
    """Implements `application.ports.RefreshTokens`. The first of `keys` makes tokens; all of them are tried again.

    Each key has 32 bytes.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.use(keys)

    def use(self, keys: Sequence[bytes]) -> None:
        """Replace the keys."""
        self._keys = [derived_key(key, "refresh token") for key in keys]

    def first(self, session_id: UUID) -> RefreshToken:
        """See `application.ports.RefreshTokens.first`."""
        return _token(session_id.bytes + secrets.token_bytes(FAMILY_BYTES + SECRET_BYTES))

    def after(self, token: RefreshToken) -> RefreshToken:
        """See `application.ports.RefreshTokens.after`."""
        return _following(self._keys[0], token)

    def again(self, token: RefreshToken, digest: bytes) -> RefreshToken | None:
        """See `application.ports.RefreshTokens.again`."""
        for key in self._keys:
            following = _following(key, token)
            if hmac.compare_digest(following.digest, digest):
                return following
        return None

    def read(self, text: str) -> RefreshToken | None:
        """See `application.ports.RefreshTokens.read`."""
        if not TOKEN_FORM.fullmatch(text):
            return None
        raw = urlsafe_b64decode(f"{text}==")
        # The last character has bits that decoding ignores: one spelling of a token is enough.
        return _token(raw) if _text(raw) == text else None


def _following(key: bytes, token: RefreshToken) -> RefreshToken:
    raw = urlsafe_b64decode(f"{token.text}==")
    return _token(raw[: ID_BYTES + FAMILY_BYTES] + hmac.digest(key, raw, hashlib.sha256))


def _token(raw: bytes) -> RefreshToken:
    family = raw[ID_BYTES : ID_BYTES + FAMILY_BYTES]
    digests = [hashlib.sha256(part).digest() for part in (family, raw)]
    return RefreshToken(_text(raw), UUID(bytes=raw[:ID_BYTES]), *digests)


def _text(raw: bytes) -> TokenText:
    return TokenText(urlsafe_b64encode(raw).rstrip(b"=").decode())
