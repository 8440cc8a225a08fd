"""Limits of requests: which buckets a request is charged to, and the headers that say how much is left.

Headers: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), and the older `X-RateLimit-*` for
the bucket with the least left.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

from adapters.client_network import client_network, range_of
from adapters.http.api.responses import HttpHeader
from application.ports import MICROSECONDS, Bucket, BucketState, Decision, Limits, Quota

LimitName = Literal[
    "user",
    "anonymous",
    "log",
    "sign-in",
    "registration",
    "registration-range",
    "account-mail",
    "invitation",
    "request",
    "domain-check",
    "generation",
    "audit",
]
"""Limits of requests. `registration-range` is counted by address range; `user`, `invitation`, `request`,
`domain-check`, `generation` and `audit` by user; all others by network."""

WORDS: Mapping[LimitName, str] = {
    "log": "Too many reads of the audit tree from your network",
    "sign-in": "Too many attempts to log in from your network",
    "registration": "Too many registrations from your network",
    "registration-range": "Too many registrations from your network and its neighbours",
    "invitation": "You have sent too many invitations",
    "domain-check": "You have looked for the records of domains too often",
    "request": "You have asked for access too often",
    "generation": "You have asked for too many texts",
    "audit": "You have read the history too often",
    "account-mail": "Too many mails were requested from your network",
}


class RequestLimits:
    """Charges requests. `quotas`: those of all limits, by name."""

    def __init__(self, limits: Limits, quotas: Mapping[LimitName, Quota]) -> None:
        self._limits = limits
        self._quotas = quotas

    async def take(self, names: Sequence[LimitName], user_id: str | None, cost: int = 1) -> Decision:
        """Charge a request to the buckets of its caller: of a user, or else of the network that it came from."""
        return await self._limits.take([self._bucket(name, user_id, cost) for name in names])

    async def give_back(self, name: LimitName, user_id: str | None, cost: int) -> None:
        """Give back what was charged to the bucket of a caller."""
        await self._limits.give_back([self._bucket(name, user_id, cost)])

    async def move(self, name: LimitName, user_id: str) -> Decision:
        """Move the charge of a request from its network to a user, who was not known when it was charged."""
        await self._limits.give_back([self._bucket(name, None)])
        return await self.take(["user"], user_id)

    def _bucket(self, name: LimitName, user_id: str | None, cost: int = 1) -> Bucket:
        quota = self._quotas[name]
        if user_id is not None:
            return Bucket(quota, user_id, user_id, cost)
        network = client_network.get()
        neighbours = range_of(network)
        return Bucket(quota, neighbours if name == "registration-range" else network, neighbours, cost)


def headers_of(states: Sequence[BucketState]) -> list[HttpHeader]:
    """Return the headers that say how much is left. Times are whole seconds from now, rounded up."""
    left = [(state.remaining, -state.used, state.quota, _reset(state)) for state in states]
    tightest = left[0] if len(left) == 1 else min(left, key=lambda each: each[:2])
    remaining, _, quota, reset = tightest
    return [
        (b"ratelimit-policy", b", ".join([_policy(q.name, q.count, q.seconds) for _, _, q, _ in left])),
        (b"ratelimit", ", ".join([f'"{q.name}";r={n};t={seconds}' for n, _, q, seconds in left]).encode()),
        (b"x-ratelimit-limit", b"%d" % quota.count),
        (b"x-ratelimit-remaining", b"%d" % remaining),
        (b"x-ratelimit-reset", b"%d" % reset),
    ]


@lru_cache
def _policy(name: str, count: int, seconds: int) -> bytes:
    """Return a quota as headers show it: one of few, with each response."""
    return f'"{name}";q={count};w={seconds}'.encode()


def words_of(decision: Decision) -> str:
    """Say which limit refused a request, and what to do."""
    fullest = max(decision.states, key=lambda state: state.wait)
    reason = next((words for name, words in WORDS.items() if name == fullest.quota.name), "Too many requests")
    return f"{reason}; try again in {decision.retry_after} s, as `Retry-After` says."


def _reset(state: BucketState) -> int:
    """Return the seconds until the bucket is empty; of a full one, until it lets one request through."""
    return -(-(state.wait_for_one or state.used) // MICROSECONDS)
