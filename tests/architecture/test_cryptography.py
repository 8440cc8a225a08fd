"""Cryptography: which primitives production code uses, and with how many bits (ASVS 5.0, chapter 11).

Each rule is broken on purpose in a second test.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.http.api.tokens import ALGORITHM
from infra.sealing.key_encryption import NONCE_BYTES
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.sealing.store_keys import MAC_BYTES
from tests.architecture.source import Source, production, read

LIBRARIES = ("cryptography", "hashlib", "hmac", "joserfc", "pwdlib", "random", "secrets", "ssl")
ALLOWED = {
    "cryptography.exceptions.InvalidSignature",
    "cryptography.exceptions.InvalidTag",
    "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PrivateKey",
    "cryptography.hazmat.primitives.asymmetric.ed25519.Ed25519PublicKey",
    "cryptography.hazmat.primitives.ciphers.aead.AESGCM",
    "cryptography.hazmat.primitives.hashes.SHA256",
    "cryptography.hazmat.primitives.kdf.hkdf.HKDF",
    "hashlib.blake2b",
    "hashlib.pbkdf2_hmac",
    "hashlib.sha256",
    "hmac.compare_digest",
    "hmac.digest",
    "joserfc.errors.JoseError",
    "joserfc.jwk.KeySet",
    "joserfc.jwk.OKPKey",
    "joserfc.jwt",
    "pwdlib.PasswordHash",
    "pwdlib.exceptions.UnknownHashError",
    "pwdlib.hashers.argon2.Argon2Hasher",
    "pwdlib.hashers.bcrypt.BcryptHasher",
    "secrets.token_bytes",
    "secrets.token_hex",
    "secrets.token_urlsafe",
    "ssl.create_default_context",
}
"""Authenticated encryption, signatures, hashes, random numbers and TLS; no cipher without authentication."""

PAUSES = {"application/bus.py", "infra/jobs/retry.py", "infra/projector/pacing.py"}
"""Files that draw ordinary random numbers: for the lengths of pauses only."""


def used(source: Source) -> Iterator[str]:
    """The names that a file takes from the libraries, in full."""
    modules = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LIBRARIES:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names if alias.name.partition(".")[0] in LIBRARIES}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield f"{node.value.id}.{node.attr}"


def strange(source: Source) -> set[str]:
    """The primitives of a file that are not on the list."""
    names = set(used(source)) - ALLOWED
    return {name for name in names if not (name.startswith("random.") and source.name in PAUSES)}


def test_asvs_11_2_1_11_3_1_11_3_2_11_5_1_only_listed_primitives_of_libraries_are_used() -> None:
    assert {source.name: names for source in production() if (names := strange(source))} == {}
    assert {name for source in production() for name in used(source) if not name.startswith("random.")} == ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "from cryptography.hazmat.primitives.ciphers.modes import ECB",
        "from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES",
        "import hashlib\nhashlib.md5(b'')",
        "import hashlib\nhashlib.new('sha1')",
        "import random\ntoken = random.random()",
        "from random import randbytes",
        "import ssl\nssl._create_unverified_context()",
    ],
)
def test_another_primitive_is_noticed(tmp_path: Path, code: str) -> None:
    file = tmp_path / "planted.py"
    file.write_text(code)
    planted = read(file)
    assert set(used(planted)) - ALLOWED


def test_asvs_11_2_3_keys_nonces_and_stamps_have_enough_bits() -> None:
    """128 bits of security: AES-256-GCM, 96-bit nonces, HMAC-SHA-256, BLAKE2b stamps of 128 bits, Ed25519."""
    ring = KeyRing.new()
    assert {kind for kind in KeyKind if ring.of(kind)} == set(KeyKind)
    assert all(len(key.secret) * 8 == 256 for kind in KeyKind for key in ring.of(kind))
    assert (NONCE_BYTES * 8, MAC_BYTES * 8) == (96, 128)
    assert ALGORITHM == "Ed25519"
