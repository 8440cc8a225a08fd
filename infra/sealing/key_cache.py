"""Unwrapped data keys in memory, for a minute. An erasure removes them in every process before it is answered.

`infra/postgres/cache_lease.py` says when the cache may be used and what it must drop; it removes expired keys every
second. While there is no lease, they are removed when one is asked for.
"""

import threading
from collections.abc import Callable
from itertools import takewhile
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from infra.sealing.keyring import DataKey

CACHE_SECONDS = 60.0
MAX_CACHED_KEYS = 50_000


class KeyCache:
    """A cache of data keys by subject. `may_be_used`: whether its keys may be used now."""

    def __init__(self, may_be_used: Callable[[], bool] = lambda: True) -> None:
        self._may_be_used = may_be_used
        self._keys: dict[int, tuple[DataKey, float]] = {}
        # The relay uses the cache in a thread of its own.
        self._lock = threading.Lock()
        self.drops = 0
        """How often keys were dropped. A key that was read before a drop must not be added after it."""

    def get(self, subject_id: UUID) -> "DataKey | None":
        """The key of the subject, if it is here."""
        found = self._keys.get(subject_id.int)
        if found is None:
            return None
        if found[1] < monotonic():
            self.sweep()
            return None
        return found[0] if self._may_be_used() else None

    def add(self, subject_id: UUID, key: "DataKey", drops: int) -> None:
        """Add a key that was read or stored since `self.drops` was `drops`."""
        with self._lock:
            if drops != self.drops:
                return
            if len(self._keys) >= MAX_CACHED_KEYS:
                self._keys.clear()
            # Keys stay in the order in which they expire.
            self._keys.pop(subject_id.int, None)
            self._keys[subject_id.int] = (key, monotonic() + CACHE_SECONDS)

    def sweep(self) -> None:
        """Remove the keys that have expired."""
        with self._lock:
            now = monotonic()
            for number in [*takewhile(lambda each: self._keys[each][1] < now, self._keys)]:
                del self._keys[number]

    def drop(self, subject_id: UUID | None) -> None:
        """Remove the key of a subject; None: all keys."""
        with self._lock:
            self.drops += 1
            if subject_id is None:
                self._keys.clear()
            else:
                self._keys.pop(subject_id.int, None)
