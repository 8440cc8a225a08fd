"""The cache of data keys never holds a key that was erased, however late the answer with the key arrives."""

from uuid import UUID

import pytest

from infra.sealing import key_cache
from infra.sealing.key_cache import CACHE_SECONDS, KeyCache
from infra.sealing.keyring import DataKey

ADA, BOB, EVE = UUID(int=1), UUID(int=2), UUID(int=3)
KEY = DataKey(bytes(32))


def test_a_key_is_found_until_it_is_dropped() -> None:
    cache = KeyCache()
    cache.add(ADA, KEY, cache.drops)
    cache.add(BOB, KEY, cache.drops)
    cache.drop(ADA)
    assert (cache.get(ADA), cache.get(BOB)) == (None, KEY)
    cache.drop(None)
    assert cache.get(BOB) is None


def test_a_key_that_was_read_before_a_drop_is_not_added_after_it() -> None:
    cache = KeyCache()
    drops = cache.drops
    cache.drop(ADA)
    cache.add(ADA, KEY, drops)
    assert cache.get(ADA) is None


def test_without_a_lease_no_key_is_found() -> None:
    may_be_used = [True]
    cache = KeyCache(lambda: may_be_used[0])
    cache.add(ADA, KEY, cache.drops)
    may_be_used[0] = False
    assert cache.get(ADA) is None


def test_an_expired_key_leaves_memory_when_it_is_asked_for_or_swept(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(key_cache, "monotonic", lambda: now[-1])
    cache = KeyCache()
    for at, subject in ((0, ADA), (1, BOB), (2, EVE), (30, ADA)):
        now.append(at)
        cache.add(subject, KEY, cache.drops)
    now.append(CACHE_SECONDS + 1.5)
    cache.sweep()
    assert [*cache._keys] == [EVE.int, ADA.int]
    now.append(CACHE_SECONDS + 2.5)
    assert (cache.get(EVE), cache.get(ADA)) == (None, KEY)
    assert [*cache._keys] == [ADA.int]


def test_a_full_cache_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_cache, "MAX_CACHED_KEYS", 1)
    cache = KeyCache()
    cache.add(ADA, KEY, cache.drops)
    cache.add(BOB, KEY, cache.drops)
    assert (cache.get(ADA), cache.get(BOB)) == (None, KEY)
