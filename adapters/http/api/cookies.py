"""Cookies of sessions in cookie mode, and the token that protects them from requests of other sites (CSRF).

The prefix `__Host-` binds a cookie to this host and to https. Scripts read none of those that authenticate. A request
that may change something repeats the CSRF token in a header, which no other site can: the cookie with it and the header
must be equal, and the token must be ours and of this session (OWASP: signed double-submit cookie).
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID

from adapters.derived_keys import derived_key
from adapters.http.api.responses import HttpHeader

ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE = "__Host-access", "__Host-refresh", "__Host-csrf"
CSRF_HEADER = b"x-csrf-token"
KEY_BYTES = 32
NONCE_BYTES = 16


class CsrfTokens:
    """Makes and checks CSRF tokens: a random text, and its MAC (HMAC-SHA-256) with the id of the session.

    The first of `keys` makes tokens, all of them check. Each has 32 bytes.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.use(keys)

    def use(self, keys: Sequence[bytes]) -> None:
        """Replace the keys."""
        self._keys = [derived_key(key, "csrf") for key in keys]

    def make(self, session_id: UUID) -> str:
        """Return a new token for a session."""
        nonce = secrets.token_urlsafe(NONCE_BYTES)
        return f"{nonce}.{_mac(self._keys[0], session_id, nonce)}"

    def fits(self, session_id: UUID, header: str, cookie: str) -> bool:
        """Return whether header and cookie are the same token, and it is one of this session."""
        nonce, _, mac = header.partition(".")
        macs = [_mac(key, session_id, nonce) for key in self._keys]
        is_ours = any(hmac.compare_digest(mac.encode(), each.encode()) for each in macs)
        return hmac.compare_digest(header.encode(), cookie.encode()) and is_ours


def cookies_of(header: str) -> dict[str, str]:
    """Return the cookies of a request by name (RFC 6265, 4.2.1)."""
    pairs = (each.strip().partition("=") for each in header.split(";"))
    return {name: value for name, _, value in pairs}


def set_cookie(name: str, value: str, seconds: int, *, for_scripts: bool = False) -> HttpHeader:
    """Return the header that sets a cookie for so long; 0: that removes it. `for_scripts`: scripts may read it."""
    kept_from_scripts = "" if for_scripts else "; HttpOnly"
    attributes = f"Path=/; Max-Age={seconds}; Secure{kept_from_scripts}; SameSite=Strict"
    return (b"set-cookie", f"{name}={value}; {attributes}".encode())


def without_cookies() -> list[HttpHeader]:
    """Return the headers that remove all cookies of a session."""
    return [
        set_cookie(name, "", 0, for_scripts=name == CSRF_COOKIE)
        for name in (ACCESS_COOKIE, REFRESH_COOKIE, CSRF_COOKIE)
    ]


def _mac(key: bytes, session_id: UUID, nonce: str) -> str:
    mac = hmac.digest(key, session_id.bytes + nonce.encode(), hashlib.sha256)
    return urlsafe_b64encode(mac).rstrip(b"=").decode()
