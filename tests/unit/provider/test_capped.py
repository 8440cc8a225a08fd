"""The provider's caps, on buckets whose clock tests move."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.provider.capped import CappedProvider, Caps, quota_within
from application.ports import MICROSECONDS, AnswerEnd, Message, NotAsked, TextPiece, Unavailable, Usage
from infra.limits.local_limits import LocalLimits
from tests.support.provider import Script, ScriptedProvider, answer, prompt

WHOLE: Script = [TextPiece("Otters."), AnswerEnd("complete", Usage(10, 10))]


class TenTokens:
    """Counts ten tokens in every prompt."""

    async def count(self, messages: Sequence[Message]) -> int:
        return 10


class Capped:
    """A provider with caps. `now`: in seconds."""

    def __init__(self, *, requests: int = 1_000, tokens: int = 1_000_000) -> None:
        self.now = 0
        self.behind = ScriptedProvider()
        limits = LocalLimits(clock=lambda: self.now * MICROSECONDS)
        self.provider = CappedProvider(
            self.behind, limits, TenTokens(), ours=Caps(requests, tokens), of_payers=Caps(20, 1_000_000)
        )

    async def passes(self, longest: int = 90, used: Usage | None = None, key: str | None = None) -> bool:
        """Whether an answer passes now."""
        self.behind.scripts = [[TextPiece("Otters."), AnswerEnd("complete", used)]]
        try:
            await answer(self.provider, replace(prompt(longest=longest), key=key))
        except Unavailable:
            return False
        return True


async def test_requests_over_the_cap_wait() -> None:
    caps = Capped(requests=20)
    assert [await caps.passes() for _ in range(4)] == [True, True, False, False]
    assert len(caps.behind.asked) == 2
    caps.now += 4
    assert [await caps.passes() for _ in range(2)] == [True, False]


async def test_tokens_over_the_cap_wait_as_long_as_the_answer_says() -> None:
    caps = Capped(tokens=1_200)
    assert [await caps.passes() for _ in range(4)] == [True, True, True, False]
    caps.behind.scripts = [WHOLE]
    with pytest.raises(NotAsked) as caught:
        await answer(caps.provider, prompt(longest=90))
    caps.now += caught.value.retry_after - 1
    assert not await caps.passes()
    caps.now += 1
    assert await caps.passes()


async def test_tokens_that_an_answer_did_not_need_are_free_again() -> None:
    caps = Capped(tokens=400)
    assert await caps.passes(used=Usage(10, 40))
    assert await caps.passes(longest=40)
    assert not await caps.passes(longest=40)


async def test_a_prompt_larger_than_the_bucket_passes_when_it_is_empty() -> None:
    caps = Capped(tokens=400)
    assert await caps.passes(longest=100_000)
    assert not await caps.passes(longest=1)
    caps.now += 20
    assert await caps.passes(longest=100_000)


async def test_what_is_not_asked_after_all_is_free_again() -> None:
    caps = Capped(requests=20, tokens=1_200)
    for _ in range(5):
        caps.behind.scripts = [[NotAsked("The model")]]
        with pytest.raises(NotAsked, match="The model"):
            await answer(caps.provider, prompt(longest=290))
    assert await caps.passes(longest=290)
    assert not await caps.passes(longest=1)


async def test_an_outage_is_charged_as_it_may_have_been_asked() -> None:
    caps = Capped(requests=20)
    for _ in range(2):
        caps.behind.scripts = [[Unavailable("The provider")]]
        with pytest.raises(Unavailable):
            await answer(caps.provider, prompt())
    assert not await caps.passes()


async def test_each_key_of_a_payer_has_caps_of_its_own() -> None:
    caps = Capped(requests=20)
    assert [await caps.passes(key="ada's") for _ in range(3)] == [True, True, False]
    assert [await caps.passes(key="bob's"), await caps.passes(), await caps.passes()] == [True, True, True]
    assert not await caps.passes()
    assert await caps.passes(key="bob's")


@given(st.integers(1, 100_000), st.sampled_from([4, 10]))
def test_a_quota_lets_no_more_than_the_cap_through_in_a_minute(cap: int, shares: int) -> None:
    quota = quota_within("cap", cap, shares)
    if cap >= shares:
        assert quota.count + 60 * MICROSECONDS // quota.step <= cap
