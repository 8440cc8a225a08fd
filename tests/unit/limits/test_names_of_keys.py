"""Names of keys in Redis are keyed hashes that each process remembers: so many, and those of its own key."""

from collections.abc import Callable

import pytest
from redis.asyncio import Redis

from application.ports import Bucket, Quota
from infra.limits import shared_limits
from infra.limits.local_limits import LocalLimits
from infra.limits.shared_limits import SharedLimits

FIVE, SIX = Quota("five", 5, 60, 3), Quota("six", 6, 60, 3)
GROUP = "192.0.2.0/24"


class Hashes:
    """A hash that counts what it is asked for."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, purpose: bytes, text: bytes) -> bytes:
        self.texts.append(text.decode())
        return bytes(16)


def limits_with(digest: Callable[..., bytes]) -> SharedLimits:
    """Limits whose Redis does not answer: the process counts alone, but it makes the names all the same."""
    return SharedLimits(Redis(host="127.0.0.1", port=1), digest, LocalLimits())


async def test_a_name_is_hashed_once() -> None:
    hashes = Hashes()
    limits = limits_with(hashes)
    for quota in (FIVE, FIVE, SIX, SIX):
        await limits.take([Bucket(quota, "192.0.2.7", GROUP)])
    assert hashes.texts == ["192.0.2.7", GROUP] * 2, "one name for each quota"


async def test_no_more_names_are_remembered_than_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_limits, "MAX_KNOWN_NAMES", 2)
    hashes = Hashes()
    limits = limits_with(hashes)
    callers = ["192.0.2.7", "192.0.2.8", "192.0.2.7", "192.0.2.9", "192.0.2.7", "192.0.2.8"]
    for caller in callers:
        await limits.take([Bucket(FIVE, caller, GROUP)])
    hashed = [text for text in hashes.texts if text != GROUP]
    assert hashed == ["192.0.2.7", "192.0.2.8", "192.0.2.9", "192.0.2.8"], "what was asked for longest ago is forgotten"


async def test_limits_with_another_key_hash_for_themselves() -> None:
    first, second = Hashes(), Hashes()
    for digest in (first, second):
        await limits_with(digest).take([Bucket(FIVE, "192.0.2.7", GROUP)])
    assert first.texts == second.texts == ["192.0.2.7", GROUP]
