"""Keyed hashes (HMAC-SHA256, RFC 2104): they compare values without storing them. The key must never change."""

import hashlib
import hmac
from uuid import UUID

from domain.text import email_key

# Version and variant bits of a UUIDv8 (RFC 9562, 5.8): the uuid module of Python 3.11 cannot set them.
_FIXED_BITS = (0xF << 76) | (0x3 << 62)
_VERSION_8 = (0x8 << 76) | (0x2 << 62)


class BlindIndex:
    """Digests of claims and idempotency keys, and ids of email addresses and slugs."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, *parts: bytes) -> bytes:
        """A digest of 32 bytes. Each part is hashed with its length in front, so that (ab, c) differs from (a, bc)."""
        message = b"".join([len(part).to_bytes(4, "big") + part for part in parts])
        return hmac.digest(self._key, message, hashlib.sha256)

    def claim(self, kind: str, value: str) -> bytes:
        """The digest of a claim's value."""
        return self(b"claim", kind.encode(), value.encode())

    def address_id(self, email: str) -> UUID:
        """The id of an email address in its normal form (`domain.text.email_address`)."""
        return _uuid(self(b"address", email_key(email).encode()))

    def slug_id(self, slug: str) -> UUID:
        """The id that stands for a slug that no team has."""
        return _uuid(self(b"slug", slug.encode()))


def _uuid(digest: bytes) -> UUID:
    return UUID(int=int.from_bytes(digest[:16], "big") & ~_FIXED_BITS | _VERSION_8)
