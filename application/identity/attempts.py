"""Attempts to log in: how many may fail for a network of clients, and how long an account's wait grows.

An attempt is charged before the password is compared and gets its charge back if it succeeds: so 50 at once cannot
fail more often than one after the other. No account is ever locked: attempts of others make its owner wait, but with a
solved challenge the owner need not. The work of that challenge grows with the failures of attempts that came with one.
All this is counted by address, whether it has an account or not. To give the current password again is such an attempt,
too.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from application.ports import (
    Bucket,
    Challenges,
    Client,
    EmailIndex,
    Limits,
    Quota,
    RateLimited,
)
from domain.kernel import Forbidden
from domain.text import UnusableEmail, email_address

ACCOUNT_STAGES = ((3, 30), (6, 360), (12, 3_600), (24, 21_600))
"""Failures for an account, each in so many seconds: after 3 of them the next attempt waits up to 10 seconds, after 6 a
minute, after 12 five minutes, after 24 a quarter of an hour, and never longer."""

WORK_STAGES = (4, 8, 16, 32)
"""Failures for an account within `WORK_SECONDS` of attempts with a solved challenge: after each the work doubles."""
WORK_SECONDS = 86_400

UNKNOWN = Client("", "")
"""The client of attempts that did not come by HTTP: they share one network."""


class TooManyAttempts(RateLimited):
    """Too many attempts to log in have failed."""


@dataclass(frozen=True, slots=True)
class AttemptQuotas:
    """Failed attempts of a network, and for an account; an attempt must fit into all of them.

    `work`: failures for an account with a solved challenge. The number of full ones is the work of the next challenge.
    """

    network: Quota
    account: Sequence[Quota]
    work: Sequence[Quota]


class SignInAttempts:
    """Admits attempts to log in."""

    def __init__(self, limits: Limits, challenges: Challenges, addresses: EmailIndex, quotas: AttemptQuotas) -> None:
        self._limits = limits
        self._challenges = challenges
        self._addresses = addresses
        self._quotas = quotas

    @asynccontextmanager
    async def attempt(self, email: str, client: Client | None) -> AsyncIterator[None]:
        """Admit an attempt for the account with this address, whether there is one or not.

        Raises:
            TooManyAttempts: too many have failed.
        """
        charged = await self._charge(email, client or UNKNOWN)
        try:
            yield
        except Forbidden:
            raise
        except Exception:
            # No failure of the caller: a server's, or a conflict after which the bus tries again.
            await self._give_back(charged)
            raise
        else:
            await self._give_back(charged)

    async def _charge(self, email: str, client: Client) -> list[list[Bucket]]:
        """Charge an attempt. Returns what was charged, by group."""
        network = [Bucket(self._quotas.network, client.network, client.network)]
        decision = await self._limits.take(network)
        if not decision.admitted:
            raise TooManyAttempts(
                f"Too many attempts from your network have failed; try again in {decision.retry_after} s.",
                decision.retry_after,
            )
        account = self._account(email, self._quotas.account)
        decision = await self._limits.take(account)
        if decision.admitted:
            return [network, account]
        solved = await self._charge_work(email)
        work = len(self._quotas.work) - len(solved)
        if client.solution and await self._challenges.accept("sign-in", client.network, client.solution, work):
            return [network, solved]
        await self._give_back([network, solved])
        raise TooManyAttempts(
            f"Too many attempts for this address have failed; try again in {decision.retry_after} s. Or get a "
            f"challenge from /v1/auth/challenge?work={work} and send its solution as Challenge-Solution: then you "
            "need not wait.",
            decision.retry_after,
            work,
        )

    async def _charge_work(self, email: str) -> list[Bucket]:
        """Charge an attempt with a challenge. Returns the buckets that were charged: those that were not full."""
        buckets = self._account(email, self._quotas.work)
        while buckets and not (decision := await self._limits.take(buckets)).admitted:
            buckets = [bucket for bucket, state in zip(buckets, decision.states, strict=True) if not state.wait]
        return buckets

    async def _give_back(self, charged: Sequence[Sequence[Bucket]]) -> None:
        for group in filter(None, charged):
            await self._limits.give_back(group)

    def _account(self, email: str, quotas: Sequence[Quota]) -> list[Bucket]:
        try:
            account = str(self._addresses.address_id(email_address(email)))
        except UnusableEmail:
            account = ""  # of no account: all of these texts share one wait
        return [Bucket(quota, account, account) for quota in quotas]
