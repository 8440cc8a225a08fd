"""Access tokens: JWTs (RFC 9068) signed with Ed25519 (RFC 8037, RFC 9864); anyone can verify them with the JWKS."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from application.ports import Clock, NewId
from application.scopes import scopes, scopes_of_auditors

ALGORITHM = "Ed25519"
TYPE = "at+jwt"
MAX_TOKEN_LENGTH = 4096
MAX_CACHED_TOKENS = 20_000


CLOCK_SKEW_SECONDS = 300
"""A token is taken so long before its `nbf`: the clock may have been ahead when it was issued."""


class BadToken(Exception):
    """The token has another issuer or audience, is expired or not valid yet, or is no token."""


class ExpiredToken(BadToken):
    """The token was valid. That happens to every client from time to time."""


class EarlyToken(BadToken):
    """The token is ours and not valid yet: the clock of this process or of the one that issued it is wrong."""


_Time = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Claims(msgspec.Struct):
    """The claims that every token has, and those that it may have. Times are whole seconds since 1970."""

    iss: str
    aud: str
    sub: UUID
    iat: _Time
    nbf: _Time
    exp: _Time
    jti: UUID
    sid: UUID
    scope: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The contents of a valid token. `expires`: seconds since 1970. Whether its session is over, it does not say."""

    user_id: UUID
    session_id: UUID
    scopes: frozenset[str]
    expires: float


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 private key of 32 bytes. `until`: no token that it signed is taken later, in seconds since 1970."""

    id: str
    secret: bytes = field(repr=False)
    until: int | None = None

    def jwk(self) -> dict[str, Any]:
        """Return the private key as a JWK (RFC 8037)."""
        public = Ed25519PrivateKey.from_private_bytes(self.secret).public_key().public_bytes_raw()
        parts = {"x": _base64(public), "d": _base64(self.secret)}
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.id, "alg": ALGORITHM, "use": "sig", **parts}


class Tokens:
    """Issues and verifies access tokens. `lifetime` in seconds. The first of `keys` signs, all of them verify."""

    def __init__(
        self, keys: Sequence[SigningKey], *, issuer: str, audience: str, lifetime: int, clock: Clock, new_id: NewId
    ) -> None:
        self._used: tuple[SigningKey, ...] = ()
        self.use(keys)
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._new_id = new_id
        self.lifetime = lifetime

    def use(self, keys: Sequence[SigningKey]) -> None:
        """Replace the keys. The same ones again change nothing, and leave what is known of tokens."""
        if tuple(keys) == self._used:
            return
        self._used = tuple(keys)
        self._keys = KeySet([OKPKey.import_key(key.jwk()) for key in keys])
        self._current = self._keys.keys[0]
        self._until = {key.id: key.until for key in keys if key.until is not None}
        self._known: dict[bytes, tuple[float, Grant]] = {}

    def issue(self, user_id: UUID, session_id: UUID, *, auditor: bool = False) -> str:
        """Return a token for a session of a user. `auditor`: the user is one now."""
        now = int(self._clock().timestamp())
        granted = scopes() | (scopes_of_auditors() if auditor else frozenset())
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(user_id),
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime,
            "jti": str(self._new_id()),
            "sid": str(session_id),
            "scope": " ".join(sorted(granted)),
        }
        header = {"alg": ALGORITHM, "kid": self._current.kid, "typ": TYPE}
        return jwt.encode(header, claims, self._current, algorithms=[ALGORITHM])

    def identify(self, token: str) -> Grant:
        """Return what a token grants. Verified tokens are cached by digest: their signature is checked once.

        Raises:
            BadToken: it is not valid.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise BadToken
        digest = hashlib.sha256(token.encode()).digest()
        now = self._clock().timestamp()
        expires, grant = self._known.get(digest) or self._remember(digest, token)
        if expires <= now:
            self._known.pop(digest, None)
            raise ExpiredToken
        return grant

    def jwks(self) -> dict[str, Any]:
        """Return the public keys (RFC 7517)."""
        return {"keys": [key.as_dict(private=False) for key in self._keys.keys]}

    def _remember(self, digest: bytes, token: str) -> tuple[float, Grant]:
        known = self._check(token)
        if len(self._known) >= MAX_CACHED_TOKENS:
            del self._known[next(iter(self._known))]
        self._known[digest] = known
        return known

    def _check(self, token: str) -> tuple[float, Grant]:
        try:
            decoded = jwt.decode(token, self._keys, algorithms=[ALGORITHM])
            claims = msgspec.convert(decoded.claims, _Claims)
            type_, key_id = decoded.header.get("typ"), decoded.header["kid"]
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            raise BadToken from None
        if (type_, claims.iss, claims.aud) != (TYPE, self._issuer, self._audience):
            raise BadToken
        if claims.nbf > self._clock().timestamp() + CLOCK_SKEW_SECONDS:
            raise EarlyToken
        expires = float(min(claims.exp, self._until.get(key_id, claims.exp)))
        return expires, Grant(claims.sub, claims.sid, frozenset(claims.scope.split()), expires)


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
