"""Keys for one purpose each, derived from a signing key: what is made for one purpose is no good for another."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def derived_key(key: bytes, purpose: str) -> bytes:
    """Return the key of 32 bytes for a purpose, by HKDF (RFC 5869). `key`: 32 random bytes or more."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"palimpsest " + purpose.encode()).derive(key)
