"""Data keys: one per subject, wrapped by the key-encryption key, unwrapped ones kept in memory for a short while.

Envelope encryption with AES-256-GCM (NIST SP 800-38D), random 96-bit nonces. A subject whose key is gone reads as
erased.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import monotonic
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.coalesce import Coalescer

TAG = 4
NONCE = 12
DATA = TAG + NONCE
KEPT_SECONDS = 60.0
KEPT_KEYS = 50_000


class KeyErased(Exception):
    """The key that sealed these bytes is gone."""


class DataKey:
    """A subject's key, unwrapped."""

    __slots__ = ("_decrypt", "_encrypt", "_tag")

    def __init__(self, key: bytes) -> None:
        aead = AESGCM(key)
        self._encrypt = aead.encrypt
        self._decrypt = aead.decrypt
        self._tag = hashlib.sha256(b"palimpsest data key" + key).digest()[:TAG]

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """`plain`, encrypted and bound to `context`; 32 bytes longer."""
        nonce = os.urandom(NONCE)
        return self._tag + nonce + self._encrypt(nonce, plain, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """What was sealed.

        Raises:
            Erased: an earlier key of the subject sealed it, and is gone.
            cryptography.exceptions.InvalidTag: the bytes or their context were changed.
        """
        if sealed[:TAG] != self._tag:
            raise KeyErased
        return self._decrypt(sealed[TAG:DATA], sealed[DATA:], context)


class WrappedKey:
    """A new key as the database keeps it."""

    __slots__ = ("kek_id", "subject_id", "wrapped")

    def __init__(self, subject_id: UUID, wrapped: bytes, kek_id: str) -> None:
        self.subject_id = subject_id
        self.wrapped = wrapped
        self.kek_id = kek_id


FetchWrapped = Callable[[list[UUID]], Awaitable[Mapping[UUID, bytes]]]

Keys = Mapping[int, DataKey]
"""Data keys by subject, by the integer that its id stands for, which is hashed ten times as fast. A subject without one
reads as erased."""


class Keyring:
    """Finds, makes and remembers data keys. `fetch` reads wrapped keys of subjects from the database."""

    def __init__(self, kek: bytes, kek_id: str, fetch: FetchWrapped) -> None:
        self._kek = AESGCM(kek)
        self._kek_id = kek_id
        self._wrapped = Coalescer(fetch, limit=5_000)
        self._fetch = fetch
        self._kept: dict[int, tuple[DataKey, float]] = {}

    def kept(self, subject_id: UUID) -> DataKey | None:
        """The key, if it is in memory and fresh."""
        found = self._kept.get(subject_id.int)
        if found is None or found[1] < monotonic():
            return None
        return found[0]

    async def get(self, subject_id: UUID) -> DataKey | None:
        """The subject's key; None when it has none (or none any more)."""
        kept = self.kept(subject_id)
        if kept is not None:
            return kept
        wrapped = await self._wrapped.get(subject_id)
        return None if wrapped is None else self.unwrap(subject_id, wrapped)

    async def all(self, subject_ids: Iterable[UUID]) -> Keys:
        """The keys of those subjects that have one, in at most one round trip."""
        keys: dict[int, DataKey] = {}
        missing = []
        for subject_id in subject_ids:
            kept = self.kept(subject_id)
            if kept is None:
                missing.append(subject_id)
            else:
                keys[subject_id.int] = kept
        if missing:
            found = await self._fetch(missing)
            keys |= {subject_id.int: self.unwrap(subject_id, wrapped) for subject_id, wrapped in found.items()}
        return keys

    def mint(self, subject_id: UUID) -> tuple[DataKey, WrappedKey]:
        """A new key. It counts only once the database has it: `keep` it then."""
        key = os.urandom(32)
        nonce = os.urandom(NONCE)
        wrapped = nonce + self._kek.encrypt(nonce, key, subject_id.bytes)
        return DataKey(key), WrappedKey(subject_id, wrapped, self._kek_id)

    def keep(self, subject_id: UUID, key: DataKey) -> None:
        """Remember a key for a short while."""
        if len(self._kept) >= KEPT_KEYS:
            self._kept.clear()
        self._kept[subject_id.int] = (key, monotonic() + KEPT_SECONDS)

    def forget(self, subject_id: UUID) -> None:
        """Drop the key from memory."""
        self._kept.pop(subject_id.int, None)

    def unwrap(self, subject_id: UUID, wrapped: bytes) -> DataKey:
        """The key that the database keeps as `wrapped`; it is remembered for a short while."""
        key = DataKey(self._kek.decrypt(wrapped[:NONCE], wrapped[NONCE:], subject_id.bytes))
        self.keep(subject_id, key)
        return key
