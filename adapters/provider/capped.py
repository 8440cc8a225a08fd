"""The provider's caps: requests and tokens a minute of all our processes together. What is over waits.

Each key of a payer has buckets of its own, as it has at the provider.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from adapters.provider.keys import OURS, key_name
from application.ports import AnswerEnd, Bucket, Limits, NotAsked, Prompt, Provider, Quota, TextPiece, TokenCounter

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


@dataclass(frozen=True, slots=True)
class Caps:
    """Requests and tokens a minute."""

    requests: int
    tokens: int

    def quotas(self, name: str) -> tuple[Quota, Quota]:
        """Return the quotas of requests and of tokens."""
        return (
            quota_within(f"{name}-requests", self.requests, REQUEST_SHARES),
            quota_within(f"{name}-tokens", self.tokens, TOKEN_SHARES),
        )


class CappedProvider:
    """Implements `application.ports.Provider`. `ours`: the caps of our key; `of_payers`: of each key of a payer.

    Tokens are charged before an answer, as the provider does it: those of the prompt and the longest answer, but never
    more than there can be. What the answer did not need is given back, and all of a request that is not made after all.
    """

    def __init__(
        self, provider: Provider, limits: Limits, counter: TokenCounter, *, ours: Caps, of_payers: Caps
    ) -> None:
        self._provider = provider
        self._limits = limits
        self._counter = counter
        self._ours = ours.quotas("provider")
        self._of_payers = of_payers.quotas("own-key")

    def open_models(self, model: str) -> list[str]:
        """Return those that the provider behind names: caps are the same for all models. Raises `UnknownModel`."""
        return self._provider.open_models(model)

    async def answer(self, prompt: Prompt) -> AsyncGenerator[TextPiece | AnswerEnd, None]:
        """Write an answer.

        Raises:
            NotAsked: the caps are reached; `retry_after` says for how long.
        """
        key = key_name(prompt)
        requests, tokens = self._ours if key == OURS else self._of_payers
        most = min(await self._counter.count(prompt.messages) + prompt.max_output_tokens, tokens.count)
        charged = [Bucket(requests, key, key), Bucket(tokens, key, key, most)]
        decision = await self._limits.take(charged)
        if not decision.admitted:
            raise NotAsked("The provider (our share of its requests)", decision.retry_after)
        try:
            async with aclosing(self._provider.answer(prompt)) as items:
                async for item in items:
                    if isinstance(item, AnswerEnd) and item.usage is not None:
                        unused = most - item.usage.input_tokens - item.usage.output_tokens
                        if unused > 0:
                            await self._limits.give_back([Bucket(tokens, key, key, unused)])
                    yield item
        except NotAsked:
            await self._limits.give_back(charged)
            raise
