"""Key-encryption keys: they wrap data keys for storage (AES-256-GCM, NIST SP 800-38D).

A wrapped key has 61 bytes: format (1), nonce (12), the encrypted key with its tag (48). It is bound to its subject and
to the id of the key that wraps it, so a row of one subject does not open for another.
"""

import os
from collections.abc import Callable, Mapping
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.sealing.store_keys import FORMAT, Damage, Purpose, framed

NONCE_BYTES = 12
WRAPPED_BYTES = 61


class UnknownKey(Damage):
    """The key-encryption key of a wrapped key is not in the key ring."""


class KeyEncryptionKeys:
    """Key-encryption keys by id. `current`: the id of the one that wraps new data keys; all of them unwrap.

    `on_unknown` is called when a wrapped key is under none of them, and may add some (`learn`).
    """

    def __init__(self, current: str, keys: Mapping[str, bytes]) -> None:
        self._ciphers: dict[str, AESGCM] = {}
        self.on_unknown: Callable[[], object] = lambda: None
        self.use(current, keys)

    def use(self, current: str, keys: Mapping[str, bytes]) -> None:
        """Replace the keys."""
        self._ciphers = {id: AESGCM(key) for id, key in keys.items()}
        self.current = current

    def learn(self, keys: Mapping[str, bytes]) -> None:
        """Add keys that only unwrap."""
        self._ciphers = {**{id: AESGCM(key) for id, key in keys.items()}, **self._ciphers}

    def wrap(self, subject_id: UUID, data_key: bytes) -> bytes:
        """Encrypt a data key under the current key."""
        nonce = os.urandom(NONCE_BYTES)
        context = _context(subject_id, self.current)
        return bytes((FORMAT,)) + nonce + self._ciphers[self.current].encrypt(nonce, data_key, context)

    def unwrap(self, subject_id: UUID, wrapped: bytes, kek_id: str) -> bytes:
        """Decrypt a data key.

        Raises:
            UnknownKey: there is no key-encryption key with this id.
            Damage: the wrapped key was changed, or belongs to another subject or another key-encryption key.
        """
        if kek_id not in self._ciphers:
            self.on_unknown()
        cipher = self._ciphers.get(kek_id)
        if cipher is None:
            raise UnknownKey("its key-encryption key is not known")
        if len(wrapped) != WRAPPED_BYTES or wrapped[0] != FORMAT:
            raise Damage("not a wrapped key of this format")
        nonce, encrypted = wrapped[1 : 1 + NONCE_BYTES], wrapped[1 + NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, encrypted, _context(subject_id, kek_id))
        except InvalidTag:
            raise Damage("the wrapped key does not open") from None


def _context(subject_id: UUID, kek_id: str) -> bytes:
    return framed(Purpose.DATA_KEY, subject_id.bytes, kek_id.encode())
