"""Data keys: one per subject, stored wrapped by the key-encryption key, cached unwrapped in memory (`key_cache.py`).

Envelope encryption with AES-256-GCM (NIST SP 800-38D) and random 96-bit nonces. Data of a subject without a key reads
as erased.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.coalesce import Coalescer
from infra.sealing.key_cache import KeyCache
from infra.sealing.store_keys import StoreKeys

TAG_BYTES = 4
"""A sealed value begins with a tag of its data key, which separates an erased key from damage."""
NONCE_BYTES = 12
HEADER_BYTES = TAG_BYTES + NONCE_BYTES
MAX_FETCHED_KEYS = 5_000


class KeyErased(Exception):
    """The key that sealed these bytes has been erased."""


class DataKey:
    """The unwrapped key of a subject."""

    __slots__ = ("_decrypt", "_encrypt", "_tag")

    def __init__(self, key: bytes) -> None:
        aead = AESGCM(key)
        self._encrypt = aead.encrypt
        self._decrypt = aead.decrypt
        self._tag = hashlib.sha256(b"palimpsest data key" + key).digest()[:TAG_BYTES]

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt `plain` and bind it to `context`. The result is 32 bytes longer."""
        nonce = os.urandom(NONCE_BYTES)
        return self._tag + nonce + self._encrypt(nonce, plain, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt `sealed`.

        Raises:
            KeyErased: an earlier key of the subject sealed it, and has been erased.
            cryptography.exceptions.InvalidTag: the bytes or their context were changed.
        """
        if sealed[:TAG_BYTES] != self._tag:
            raise KeyErased
        return self._decrypt(sealed[TAG_BYTES:HEADER_BYTES], sealed[HEADER_BYTES:], context)


class WrappedKey:
    """A data key as it is stored: encrypted by the key-encryption key `kek_id`."""

    __slots__ = ("kek_id", "subject_id", "wrapped")

    def __init__(self, subject_id: UUID, wrapped: bytes, kek_id: str) -> None:
        self.subject_id = subject_id
        self.wrapped = wrapped
        self.kek_id = kek_id


FetchWrapped = Callable[[list[UUID]], Awaitable[Mapping[UUID, bytes]]]

SubjectNumber = int
"""A subject, by the integer of its UUID: it hashes ten times as fast as the UUID."""

Keys = Mapping[SubjectNumber, DataKey]
"""Data keys by subject. Data of a subject without a key reads as erased."""


class Keyring:
    """Fetches, creates and caches data keys. `fetch` reads wrapped keys of subjects from the database.

    `stamps`: the store keys, beside the data keys for all that encode and decode stored bytes. `cache`: without one, a
    cache that no erasure reaches, for tests.
    """

    def __init__(
        self, kek: bytes, kek_id: str, fetch: FetchWrapped, stamps: StoreKeys, cache: KeyCache | None = None
    ) -> None:
        self._kek = AESGCM(kek)
        self._kek_id = kek_id
        self._wrapped = Coalescer(fetch, limit=MAX_FETCHED_KEYS)
        self._fetch = fetch
        self.cache = cache or KeyCache()
        self.stamps = stamps

    def kept(self, subject_id: UUID) -> DataKey | None:
        """The key, if the cache has it."""
        return self.cache.get(subject_id)

    async def get(self, subject_id: UUID) -> DataKey | None:
        """The key of the subject; None if it has none or if it has been erased."""
        kept = self.kept(subject_id)
        if kept is not None:
            return kept
        drops = self.cache.drops
        wrapped = await self._wrapped.get(subject_id)
        return None if wrapped is None else self.unwrap(subject_id, wrapped, drops)

    async def all(self, subject_ids: Iterable[UUID]) -> Keys:
        """The keys of the subjects that have one, in at most one round trip."""
        keys: dict[SubjectNumber, DataKey] = {}
        missing = []
        for subject_id in subject_ids:
            kept = self.kept(subject_id)
            if kept is None:
                missing.append(subject_id)
            else:
                keys[subject_id.int] = kept
        if missing:
            drops = self.cache.drops
            found = await self._fetch(missing)
            keys |= {subject_id.int: self.unwrap(subject_id, wrapped, drops) for subject_id, wrapped in found.items()}
        return keys

    def mint(self, subject_id: UUID) -> tuple[DataKey, WrappedKey]:
        """A new key. Add it to `cache` once it is stored, not before: another process may store one first."""
        key = os.urandom(32)
        nonce = os.urandom(NONCE_BYTES)
        wrapped = nonce + self._kek.encrypt(nonce, key, subject_id.bytes)
        return DataKey(key), WrappedKey(subject_id, wrapped, self._kek_id)

    def unwrap(self, subject_id: UUID, wrapped: bytes, drops: int) -> DataKey:
        """Unwrap a stored key that was read since `cache.drops` was `drops`, and cache it."""
        key = DataKey(self._kek.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], subject_id.bytes))
        self.cache.add(subject_id, key, drops)
        return key
