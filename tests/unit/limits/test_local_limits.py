"""Buckets of one process, compared with a simple model at all kinds of times."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from application.ports import MICROSECONDS, Bucket, Decision, Quota
from infra.limits.local_limits import LocalLimits

ADA = "ada"


@dataclass
class Clock:
    """A clock in microseconds that tests move."""

    now: int = 0

    def __call__(self) -> int:
        return self.now


class Meter:
    """The model: a vessel that holds `count` and loses one each `step`, evenly. It lets through what fits in."""

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._level = Fraction(0)
        self._at = 0

    def fits(self, now: int) -> bool:
        """Return whether one more fits in."""
        self._level = max(Fraction(0), self._level - Fraction(now - self._at, self._quota.step))
        self._at = now
        return self._level + 1 <= self._quota.count

    def fill(self) -> None:
        """Put one in."""
        self._level += 1


def bucket(quota: Quota, caller: str = ADA) -> Bucket:
    return Bucket(quota, caller, caller)


def quota(count: int, seconds: int, name: str = "some") -> Quota:
    return Quota(name, count, seconds, -(-count // 2))


def take(limits: LocalLimits, *buckets: Bucket) -> Decision:
    return asyncio.run(limits.take(buckets))


quotas = st.builds(quota, st.integers(1, 12), st.integers(1, 600))
pauses = st.lists(st.one_of(st.just(0), st.integers(0, 2_000), st.integers(0, 90 * MICROSECONDS)), max_size=60)


async def _admitted(limits: LocalLimits, clock: Clock, buckets: Sequence[Bucket], pauses: list[int]) -> list[int]:
    """Return the times at which a request passed, one after each pause."""
    times = []
    for pause in pauses:
        clock.now += pause
        if (await limits.take(buckets)).admitted:
            times.append(clock.now)
    return times


@given(quotas, pauses)
def test_a_bucket_decides_as_the_model_does(quota: Quota, pauses: list[int]) -> None:
    clock = Clock()
    passed = asyncio.run(_admitted(LocalLimits(clock=clock), clock, [bucket(quota)], pauses))
    meter, now, expected = Meter(quota), 0, []
    for pause in pauses:
        now += pause
        if meter.fits(now):
            meter.fill()
            expected.append(now)
    assert passed == expected


@given(quotas, pauses)
def test_no_time_has_more_than_the_burst_and_what_the_rate_allows(quota: Quota, pauses: list[int]) -> None:
    clock = Clock()
    passed = asyncio.run(_admitted(LocalLimits(clock=clock), clock, [bucket(quota)], pauses))
    for first, start in enumerate(passed):
        for last, end in enumerate(passed[first:], first):
            assert last - first + 1 <= quota.count + (end - start) // quota.step


@given(quotas, pauses)
def test_the_time_to_wait_is_exact(quota: Quota, pauses: list[int]) -> None:
    """A request at that time passes, one a microsecond before does not."""

    async def judged() -> None:
        clock = Clock()
        limits = LocalLimits(clock=clock)
        await _admitted(limits, clock, [bucket(quota)], pauses)
        while (decision := await limits.take([bucket(quota)])).admitted:
            pass
        wait = decision.states[0].wait
        clock.now += wait - 1
        assert not (await limits.take([bucket(quota)])).admitted
        clock.now += 1
        assert (await limits.take([bucket(quota)])).admitted

    asyncio.run(judged())


@given(st.lists(quotas, min_size=2, max_size=4), pauses)
def test_several_buckets_let_through_what_each_of_them_would(found: list[Quota], pauses: list[int]) -> None:
    """A refused request is charged to none: the others lose nothing by it."""
    named = [quota(each.count, each.seconds, f"n{place}") for place, each in enumerate(found)]
    clock = Clock()
    passed = asyncio.run(_admitted(LocalLimits(clock=clock), clock, [bucket(each) for each in named], pauses))
    meters, now, expected = [Meter(each) for each in named], 0, []
    for pause in pauses:
        now += pause
        fitting = [meter.fits(now) for meter in meters]
        if all(fitting):
            expected.append(now)
            for meter in meters:
                meter.fill()
    assert passed == expected


def test_a_rate_that_does_not_divide_evenly_is_rounded_down() -> None:
    assert quota(7, 1).step * 7 >= MICROSECONDS


def test_a_process_that_counts_alone_takes_the_smaller_count() -> None:
    strict = LocalLimits(alone=True, clock=Clock())
    decisions = [take(strict, bucket(quota(5, 60))) for _ in range(4)]
    assert [decision.admitted for decision in decisions] == [True, True, True, False]
    assert decisions[0].states[0].quota.count == 3


def test_buckets_that_are_empty_again_are_removed() -> None:
    clock = Clock()
    limits = LocalLimits(clock=clock)
    for number in range(100):
        take(limits, bucket(quota(5, 60), str(number)))
        clock.now += MICROSECONDS
    assert limits.size <= 13


def test_memory_is_bounded_and_the_oldest_buckets_are_forgotten() -> None:
    limits = LocalLimits(clock=Clock(), max_buckets=10)
    for number in range(100):
        take(limits, bucket(quota(1, 60), str(number)))
    assert limits.size == 10
    assert not take(limits, bucket(quota(1, 60), "99")).admitted
    assert take(limits, bucket(quota(1, 60), "0")).admitted
