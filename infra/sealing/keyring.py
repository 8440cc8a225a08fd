"""Data keys: one per subject, stored wrapped by a key-encryption key, cached unwrapped in memory (`key_cache.py`).

Envelope encryption with AES-256-GCM (NIST SP 800-38D). A nonce is 16 bytes: the subject's last erasure before the key
was made (4; 0 if there was none), then 12 random ones. A destroyed key leaves a receipt: what was sealed before the
erasure reads as erased. A key that is missing, or does not open, is damage, which affects its subject only.
"""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from infra.coalesce import Coalescer
from infra.sealing import receipts
from infra.sealing.damage import report_damage
from infra.sealing.key_cache import KeyCache
from infra.sealing.key_encryption import KeyEncryptionKeys
from infra.sealing.receipts import ERASURE_BYTES
from infra.sealing.store_keys import Damage, StoreKeys

MAX_FETCHED_KEYS = 5_000
FEW_KEYS = 32
"""Up to so many keys are fetched together with those of other calls: aggregates are loaded at the same time."""
RANDOM_BYTES = 12
SEALING_NONCE_BYTES = ERASURE_BYTES + RANDOM_BYTES


class KeyErased(Exception):
    """The key that sealed these bytes has been erased."""


class DataKey:
    """The unwrapped key of a subject. `erasure`: the version of the event that erased the key before it; 0 for none."""

    __slots__ = ("_decrypt", "_encrypt", "_first_bytes", "erasure")

    def __init__(self, key: bytes, erasure: int = 0) -> None:
        aead = AESGCM(key)
        self._encrypt = aead.encrypt
        self._decrypt = aead.decrypt
        self.erasure = erasure
        self._first_bytes = erasure.to_bytes(ERASURE_BYTES, "big")

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt `plain` and bind it to `context`. The result is 32 bytes longer."""
        nonce = self._first_bytes + os.urandom(RANDOM_BYTES)
        return nonce + self._encrypt(nonce, plain, context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt `sealed`.

        Raises:
            KeyErased: it was sealed by an earlier key of the subject, which has been erased.
            Damage: the bytes or their context were changed.
        """
        try:
            return self._decrypt(sealed[:SEALING_NONCE_BYTES], sealed[SEALING_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            if erasure_before(sealed) < self.erasure:
                raise KeyErased from None
            raise Damage("sealed bytes do not open") from None


class ErasedKey(NamedTuple):
    """Stands for the keys that an erasure has destroyed; a receipt shows it. `erasure`: the version of its event."""

    erasure: int

    def unseal(self, sealed: bytes, context: bytes) -> bytes:
        """Refuse to decrypt, as `DataKey.unseal` does what an erased key has sealed.

        Raises:
            KeyErased: it was sealed before the erasure.
            Damage: it was sealed after the erasure, by a key that is missing.
        """
        if erasure_before(sealed) < self.erasure:
            raise KeyErased
        raise Damage("the key that was made after an erasure is missing")


ERASED_KEY = ErasedKey(256**ERASURE_BYTES)
"""Stands for each key of a reader without keys: everything reads as erased."""


def erasure_before(sealed: bytes) -> int:
    """The last erasure of the subject before the key was made that sealed these bytes."""
    return int.from_bytes(sealed[:ERASURE_BYTES], "big")


def destroyed(key: DataKey | ErasedKey | None, erasure_before: int) -> bool:
    """Whether the key that sealed something is destroyed. `erasure_before`: of those bytes; `key`: the present one."""
    return key is not None and erasure_before < key.erasure


class WrappedKey:
    """A new data key as it will be stored: encrypted by the key-encryption key `kek_id`."""

    __slots__ = ("kek_id", "subject_id", "wrapped")

    def __init__(self, subject_id: UUID, wrapped: bytes, kek_id: str) -> None:
        self.subject_id = subject_id
        self.wrapped = wrapped
        self.kek_id = kek_id


class StoredKey(NamedTuple):
    """A row of `data_keys`: a wrapped key, or the receipt of its erasure. It has both if a new key was made since."""

    subject_id: UUID
    wrapped: bytes | None
    kek_id: str
    erased_at: datetime | None
    receipt: bytes | None


FetchWrapped = Callable[[list[UUID]], Awaitable[Mapping[UUID, StoredKey]]]

SubjectNumber = int
"""A subject, by the integer of its UUID: it hashes ten times as fast as the UUID."""

SealingKeys = Mapping[SubjectNumber, DataKey]
"""Data keys by subject, to seal with."""

Keys = Mapping[SubjectNumber, DataKey | ErasedKey]
"""Data keys by subject, to unseal with. Data of a subject without an entry is damaged: its key is missing or does not
open."""


class Keyring:
    """Fetches, creates and caches data keys. `fetch` reads rows of `data_keys` from the database.

    `stamps`: the store keys, beside the data keys for all that encode and decode stored bytes. `cache`: without one, a
    cache that no erasure reaches, for tests.
    """

    def __init__(
        self, wrapping: KeyEncryptionKeys, fetch: FetchWrapped, stamps: StoreKeys, cache: KeyCache | None = None
    ) -> None:
        self._wrapping = wrapping
        self._rows = Coalescer(fetch, limit=MAX_FETCHED_KEYS)
        self._fetch = fetch
        self.cache = cache or KeyCache()
        self.stamps = stamps

    def kept(self, subject_id: UUID) -> DataKey | None:
        """The key, if the cache has it."""
        return self.cache.get(subject_id)

    async def get(self, subject_id: UUID) -> DataKey | ErasedKey | None:
        """The key of the subject; None if it never had one.

        Raises:
            Damage: the key does not open, or the receipt of its erasure does not fit.
        """
        kept = self.kept(subject_id)
        if kept is not None:
            return kept
        drops = self.cache.drops
        row = await self._rows.get(subject_id)
        return None if row is None else self._open(row, drops)

    async def all(self, subject_ids: Iterable[UUID]) -> Keys:
        """The keys of the subjects. Those that are missing or damaged are left out.

        At most one round trip, or two if another one is under way: few keys share theirs with other calls.
        """
        keys: dict[SubjectNumber, DataKey | ErasedKey] = {}
        missing = []
        for subject_id in subject_ids:
            kept = self.kept(subject_id)
            if kept is None:
                missing.append(subject_id)
            else:
                keys[subject_id.int] = kept
        if missing:
            drops = self.cache.drops
            are_few = len(missing) <= FEW_KEYS
            rows = await self._rows.all(missing) if are_few else (await self._fetch(missing)).values()
            keys |= self.open(rows, drops)
        return keys

    def open(self, rows: Iterable[StoredKey], drops: int) -> Keys:
        """The keys in rows of `data_keys` that were read since `cache.drops` was `drops`; they are cached.

        Damaged ones are left out, logged and counted.
        """
        keys: dict[SubjectNumber, DataKey | ErasedKey] = {}
        for row in rows:
            try:
                keys[row.subject_id.int] = self._open(row, drops)
            except Damage:
                continue
        return keys

    def mint(self, subject_id: UUID, erased: ErasedKey | None = None) -> tuple[DataKey, WrappedKey]:
        """A new key, in place of an erased one if there was one.

        Add it to `cache` once it is stored, not before: another process may store one first.
        """
        key = os.urandom(32)
        wrapped = WrappedKey(subject_id, self._wrapping.wrap(subject_id, key), self._wrapping.current)
        return DataKey(key, erased.erasure if erased else 0), wrapped

    def _open(self, row: StoredKey, drops: int) -> DataKey | ErasedKey:
        erasure = 0
        try:
            if row.receipt is not None:
                erasure = receipts.check(self.stamps, row.subject_id, row.erased_at, row.receipt)
            if row.wrapped is None:
                if row.receipt is None:
                    raise Damage("neither a key nor a receipt")
                return ErasedKey(erasure)
            opened = self._wrapping.unwrap(row.subject_id, row.wrapped, row.kek_id)
        except Damage as damage:
            report_damage("key", subject_id=str(row.subject_id), reason=str(damage))
            raise
        key = DataKey(opened, erasure)
        self.cache.add(row.subject_id, key, drops)
        return key
