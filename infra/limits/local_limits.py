"""Limits in the memory of one process: without Redis, and while Redis does not answer."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from msgspec.structs import replace

from application.ports import Bucket, BucketState, Decision, Quota

MAX_BUCKETS = 100_000
"""About 30 MiB. With more of them in use, those that were charged the longest ago are forgotten."""
CLEARED_AT_ONCE = 2
"""Empty buckets that a charge removes: more than the one that it may add."""

BucketKey = tuple[str, str]


def monotonic_microseconds() -> int:
    """A time that never goes back."""
    return time.monotonic_ns() // 1_000


class LocalLimits:
    """Implements `application.ports.Limits`.

    `alone`: it stands in for limits that all processes share. A bucket is kept as the time at which it will be empty.
    """

    def __init__(
        self,
        *,
        alone: bool = False,
        clock: Callable[[], int] = monotonic_microseconds,
        max_buckets: int = MAX_BUCKETS,
    ) -> None:
        self._alone = alone
        self._clock = clock
        self._max_buckets = max_buckets
        self._empty_at: dict[BucketKey, int] = {}
        """In the order of the last charges."""

    @property
    def size(self) -> int:
        """The number of buckets in memory."""
        return len(self._empty_at)

    async def take(self, buckets: Sequence[Bucket]) -> Decision:
        """See `application.ports.Limits.take`."""
        now = self._clock()
        states = [BucketState(self._quota(bucket), self._used(bucket, now), bucket.cost) for bucket in buckets]
        if any(state.wait or state.costs_too_much for state in states):
            return Decision(False, tuple(states))
        charged = [replace(state, used=state.used + state.cost * state.quota.step) for state in states]
        for bucket, state in zip(buckets, charged, strict=True):
            self._keep(bucket, now + state.used)
        self._clear(now)
        return Decision(True, tuple(charged))

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        """See `application.ports.Limits.give_back`."""
        now = self._clock()
        for bucket in buckets:
            self._keep(bucket, now + max(0, self._used(bucket, now) - bucket.cost * self._quota(bucket).step))
        self._clear(now)

    def _quota(self, bucket: Bucket) -> Quota:
        return bucket.quota.alone() if self._alone else bucket.quota

    def _used(self, bucket: Bucket, now: int) -> int:
        used = max(0, self._empty_at.get(_key(bucket), now) - now)
        return min(used, self._quota(bucket).window)

    def _keep(self, bucket: Bucket, empty_at: int) -> None:
        key = _key(bucket)
        self._empty_at.pop(key, None)
        self._empty_at[key] = empty_at

    def _clear(self, now: int) -> None:
        """Remove a few buckets that are empty, and the oldest ones if there are too many."""
        for key in [key for key, empty_at in islice(self._empty_at.items(), CLEARED_AT_ONCE) if empty_at <= now]:
            del self._empty_at[key]
        for key in [*self._surplus()]:
            del self._empty_at[key]

    def _surplus(self) -> Iterator[BucketKey]:
        return islice(self._empty_at, max(0, len(self._empty_at) - self._max_buckets))


def _key(bucket: Bucket) -> BucketKey:
    return bucket.quota.name, bucket.caller
