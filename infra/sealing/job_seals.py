"""Seals of jobs: personal and secret fields of waiting jobs are encrypted (AES-256-GCM, NIST SP 800-38D).

A job belongs to no subject yet, so its key is not a data key: it is derived by HKDF-SHA-256 (RFC 5869) from a
key-encryption key, and a rotation seals all jobs again. Sealed bytes are format (1), nonce (12), and the encrypted
bytes with their tag (16); they are bound to the kind of the job, to its effect key and to the id of the key.
"""

import os
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.sealing.key_encryption import NONCE_BYTES, UnknownKey
from infra.sealing.store_keys import FORMAT, Damage, Purpose, framed


class JobSeals:
    """Seals under the key of the current key-encryption key; opens what is sealed under any of them.

    `keys`: key-encryption keys by id; `current`: the id of the current one. `on_unknown` is called when something is
    sealed under none of them, and may add some (`learn`).
    """

    def __init__(self, current: str, keys: Mapping[str, bytes]) -> None:
        self._ciphers: dict[str, AESGCM] = {}
        self.on_unknown: Callable[[], object] = lambda: None
        self.use(current, keys)

    def use(self, current: str, keys: Mapping[str, bytes]) -> None:
        """Replace the keys."""
        self._ciphers = {id: _cipher(id, key) for id, key in keys.items()}
        self.current = current

    def learn(self, keys: Mapping[str, bytes]) -> None:
        """Add keys that only open."""
        self._ciphers = {**{id: _cipher(id, key) for id, key in keys.items()}, **self._ciphers}

    def seal(self, kind: str, effect_key: str, content: bytes) -> bytes:
        """Seal the content of a job under the current key."""
        nonce = os.urandom(NONCE_BYTES)
        context = _context(kind, effect_key, self.current)
        return bytes((FORMAT,)) + nonce + self._ciphers[self.current].encrypt(nonce, content, context)

    def unseal(self, kind: str, effect_key: str, key_id: str, sealed: bytes) -> bytes:
        """Open the sealed content of a job.

        Raises:
            UnknownKey: there is no key with this id.
            Damage: the bytes were changed, or belong to another job.
        """
        if key_id not in self._ciphers:
            self.on_unknown()
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKey("the key of the job is not known")
        if sealed[:1] != bytes((FORMAT,)):
            raise Damage("not a sealed job of this format")
        nonce, encrypted = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, encrypted, _context(kind, effect_key, key_id))
        except (InvalidTag, ValueError):  # ValueError: the nonce is cut off
            raise Damage("the sealed job does not open") from None


def _cipher(id: str, key: bytes) -> AESGCM:
    info = framed(Purpose.JOB_KEY, id.encode())
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key))


def _context(kind: str, effect_key: str, key_id: str) -> bytes:
    return framed(Purpose.JOB, kind.encode(), effect_key.encode(), key_id.encode())
