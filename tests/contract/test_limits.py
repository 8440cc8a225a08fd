"""Limits: what the port promises, kept in the memory of a process and in Redis."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from msgspec.structs import replace

from application.ports import Bucket, Limits, Quota
from infra.cache.read_cache import open_redis
from infra.limits.local_limits import LocalLimits
from infra.limits.shared_limits import SharedLimits
from infra.sealing.blind_index import BlindIndex
from tests.support.stores import BLIND_KEY

FIVE = Quota("five", 5, 600, 5)
TWO = Quota("two", 2, 600, 2)
QUICK = Quota("quick", 1, 1, 1)


@pytest_asyncio.fixture(params=["local", "shared"])
async def limits(request: pytest.FixtureRequest) -> AsyncIterator[Limits]:
    if request.param == "local":
        yield LocalLimits()
        return
    redis = open_redis(request.getfixturevalue("redis_url"), timeout=5)
    # A busy machine must not make it count alone.
    shared = SharedLimits(redis, BlindIndex(BLIND_KEY), LocalLimits(max_buckets=0), answer_seconds=5)
    yield shared
    await shared.close()


def bucket(quota: Quota, caller: str = "ada") -> Bucket:
    return Bucket(quota, caller, caller)


async def test_a_bucket_lets_as_many_through_as_its_quota_says(limits: Limits) -> None:
    decisions = [await limits.take([bucket(FIVE)]) for _ in range(7)]
    assert [decision.admitted for decision in decisions] == [True] * 5 + [False] * 2
    assert [decision.states[0].remaining for decision in decisions] == [4, 3, 2, 1, 0, 0, 0]


async def test_a_refusal_says_when_the_next_one_may_come(limits: Limits) -> None:
    for _ in range(5):
        last = await limits.take([bucket(FIVE)])
    assert 100 <= last.retry_after <= 120
    assert (await limits.take([bucket(FIVE)])).retry_after <= last.retry_after


async def test_after_that_time_one_more_passes(limits: Limits) -> None:
    assert (await limits.take([bucket(QUICK)])).admitted
    refused = await limits.take([bucket(QUICK)])
    assert not refused.admitted
    await asyncio.sleep(refused.states[0].wait / 1_000_000)
    assert (await limits.take([bucket(QUICK)])).admitted


async def test_callers_do_not_share_a_bucket(limits: Limits) -> None:
    for caller in ("ada", "ben"):
        assert [(await limits.take([bucket(TWO, caller)])).admitted for _ in range(3)] == [True, True, False]


async def test_quotas_of_a_caller_are_counted_apart(limits: Limits) -> None:
    for quota in (TWO, FIVE):
        assert (await limits.take([bucket(quota)])).states[0].remaining == quota.count - 1


async def test_if_one_bucket_is_full_none_is_charged(limits: Limits) -> None:
    both = [bucket(FIVE), bucket(TWO)]
    assert [(await limits.take(both)).admitted for _ in range(4)] == [True, True, False, False]
    refused = await limits.take(both)
    assert [state.remaining for state in refused.states] == [3, 0]
    assert (await limits.take([bucket(FIVE)])).states[0].remaining == 2


async def test_what_is_given_back_can_be_taken_again(limits: Limits) -> None:
    for _ in range(20):
        assert (await limits.take([bucket(TWO)])).admitted
        await limits.give_back([bucket(TWO)])
    assert (await limits.take([bucket(TWO)])).states[0].remaining == 1


async def test_an_empty_bucket_does_not_grow_by_what_is_given_back(limits: Limits) -> None:
    for _ in range(3):
        await limits.give_back([bucket(TWO)])
    assert [(await limits.take([bucket(TWO)])).admitted for _ in range(3)] == [True, True, False]


async def test_a_charge_may_cost_several(limits: Limits) -> None:
    decisions = [await limits.take([replace(bucket(FIVE), cost=cost)]) for cost in (3, 3, 2, 1)]
    assert [decision.admitted for decision in decisions] == [True, False, True, False]
    assert [decision.states[0].remaining for decision in decisions] == [2, 2, 0, 0]
    assert 100 <= decisions[1].retry_after <= 120


async def test_what_costs_more_than_a_quota_has_never_passes(limits: Limits) -> None:
    assert not (await limits.take([replace(bucket(FIVE), cost=6)])).admitted
    assert (await limits.take([replace(bucket(FIVE), cost=5)])).admitted


async def test_all_that_was_charged_is_given_back(limits: Limits) -> None:
    three = replace(bucket(FIVE), cost=3)
    await limits.take([three])
    await limits.give_back([three])
    assert (await limits.take([bucket(FIVE)])).states[0].remaining == 4


async def test_50_at_once_pass_no_more_than_the_quota(limits: Limits) -> None:
    decisions = await asyncio.gather(
        *[limits.take([bucket(FIVE), bucket(Quota("all", 40, 600, 40))]) for _ in range(50)]
    )
    assert sum(decision.admitted for decision in decisions) == 5


async def test_a_quota_that_was_lowered_keeps_no_caller_out_for_longer_than_its_own_window(limits: Limits) -> None:
    for _ in range(5):
        await limits.take([bucket(FIVE)])
    lowered = await limits.take([bucket(Quota("five", 1, 60, 1))])
    assert lowered.retry_after <= 60
