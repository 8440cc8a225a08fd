"""The provider's caps: requests and tokens a minute of all our processes together. What is over waits."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from application.ports import AnswerEnd, Bucket, Limits, NotAsked, Prompt, Provider, Quota, TextPiece, TokenCounter

CALLER = "provider"
REQUEST_SHARES = 10
TOKEN_SHARES = 4
"""A bucket holds the n-th part of the cap: the smaller, the more even. A long answer needs a large one."""


def quota_within(name: str, cap: int, shares: int) -> Quota:
    """Return a quota that lets no more than `cap` through in any minute.

    A bucket of a quota lets its count through at once and as much again in its seconds, so in a minute the count and
    60 / seconds times the count: with a count of cap / shares and 60 / (shares - 1) seconds that is the cap.
    """
    count = max(1, cap // shares)
    return Quota(name, count, -(-60 // (shares - 1)), -(-count // 2))


class CappedProvider:
    """Implements `application.ports.Provider`. `requests`, `tokens`: the caps a minute.

    Tokens are charged before an answer, as the provider does it: those of the prompt and the longest answer, but never
    more than there can be. What the answer did not need is given back.
    """

    def __init__(
        self, provider: Provider, limits: Limits, counter: TokenCounter, *, requests: int, tokens: int
    ) -> None:
        self._provider = provider
        self._limits = limits
        self._counter = counter
        self._requests = Bucket(quota_within("provider-requests", requests, REQUEST_SHARES), CALLER, CALLER)
        self._tokens = quota_within("provider-tokens", tokens, TOKEN_SHARES)

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write an answer.

        Raises:
            NotAsked: the caps are reached; `retry_after` says for how long.
        """
        most = min(await self._counter.count(prompt.messages) + prompt.max_output_tokens, self._tokens.count)
        decision = await self._limits.take([self._requests, self._bucket(most)])
        if not decision.admitted:
            raise NotAsked("The provider (our share of its requests)", decision.retry_after)
        async with aclosing(self._provider.answer(prompt)) as items:
            async for item in items:
                if isinstance(item, AnswerEnd) and item.usage is not None:
                    await self._give_back(most - item.usage.input_tokens - item.usage.output_tokens)
                yield item

    async def _give_back(self, unused: int) -> None:
        if unused > 0:
            await self._limits.give_back([self._bucket(unused)])

    def _bucket(self, cost: int) -> Bucket:
        return Bucket(self._tokens, CALLER, CALLER, cost)
