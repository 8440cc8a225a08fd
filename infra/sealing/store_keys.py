"""MACs under the store keys: they show that stored bytes are ours, unchanged, and in their place.

A stamp is the tag of the store key (4 bytes) and a MAC (16 bytes): keyed BLAKE2b (RFC 7693), which takes half the time
of HMAC-SHA-256. Any program with the keys can check it, also after an erasure has destroyed the data key.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum

from application.ports import Unreadable

FORMAT = 1
"""The version of all stored formats. Every stored thing begins with it."""

TAG_BYTES = 4
MAC_BYTES = 16
STAMP_BYTES = TAG_BYTES + MAC_BYTES
_PERSON = b"palimpsest stamp"


class Damage(Unreadable):
    """Stored bytes are not what was written there."""


class Purpose(IntEnum):
    """What sealed or stamped bytes are for: those of one purpose do not pass for another."""

    EVENT = 1
    SNAPSHOT = 2
    ANSWER = 3
    DATA_KEY = 4
    RECEIPT = 5
    KEY_CHECK = 6
    JOB = 7
    JOB_KEY = 8
    SESSION = 9
    SECURITY_ENTRY = 10
    PARTIAL_TEXT = 11
    KEY_BACKUP = 12


def framed(purpose: Purpose, *parts: bytes) -> bytes:
    """Return the bytes to bind: format, purpose, and each part with its length (4 bytes) in front."""
    return bytes((FORMAT, purpose)) + b"".join([len(part).to_bytes(4, "big") + part for part in parts])


class StoreKeys:
    """The store keys: the current one makes stamps, the earlier ones only check them. Each has 32 bytes.

    `hashes`: the keyed hash of each key, to be copied, by its tag; `tag`: that of the current key; `retired`: the last
    position that a retired key stamped, by its tag. The hot paths use these without a call. A retired key counts for
    events up to that position, for the answers that name one of them, and for nothing else. `on_unknown` is called when
    a stamp is of none of the keys, and may add some (`learn`).
    """

    def __init__(
        self, current: bytes, earlier: Iterable[bytes] = (), retired: Mapping[bytes, int] | None = None
    ) -> None:
        self.on_unknown: Callable[[], object] = lambda: None
        self.use(current, earlier, retired)

    def use(self, current: bytes, earlier: Iterable[bytes] = (), retired: Mapping[bytes, int] | None = None) -> None:
        """Replace the keys."""
        self.hashes = {tag_of(key): _hash(key) for key in (current, *earlier)}
        self.tag = tag_of(current)
        self.retired: Mapping[bytes, int] = retired or {}

    def learn(self, keys: Iterable[bytes]) -> None:
        """Add keys that only check stamps."""
        self.hashes = {**{tag_of(key): _hash(key) for key in keys}, **self.hashes}

    def find(self, tag: bytes) -> "hashlib.blake2b":
        """Return the keyed hash of the key with this tag, to be copied.

        Raises:
            Damage: there is no such key, not even after `on_unknown`.
        """
        if tag not in self.hashes:
            self.on_unknown()
        known = self.hashes.get(tag)
        if known is None:
            raise Damage("the store key is not known")
        return known

    def stamp(self, message: bytes) -> bytes:
        """Return the stamp of a message, 20 bytes."""
        mac = self.hashes[self.tag].copy()
        mac.update(message)
        return self.tag + mac.digest()

    def check(self, stamp: bytes, message: bytes, position: int | None = None) -> None:
        """Check a stamp. `position`: of the event that a stamped answer belongs to; None: a retired key does not count.

        Raises:
            Damage: the message is not the one that was stamped, or the stamp is of none of the keys.
        """
        tag = stamp[:TAG_BYTES]
        mac = self.find(tag).copy()
        mac.update(message)
        if not hmac.compare_digest(mac.digest(), stamp[TAG_BYTES:]):
            raise Damage("the stamp does not fit")
        if tag in self.retired and (position is None or position > self.retired[tag]):
            raise Damage("the store key was retired before")


def tag_of(key: bytes) -> bytes:
    """Return the tag of a store key, which names it without revealing it."""
    return hashlib.blake2b(b"", digest_size=TAG_BYTES, key=key, person=b"palimpsest tag").digest()


def _hash(key: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=MAC_BYTES, key=key, person=_PERSON)
