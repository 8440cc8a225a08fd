"""Limits of mails to postmasters: strangers, who have not asked for them."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from application.ports import Bucket, Limits, Quota, RateLimited

MAILS_OF_TEAM = (20, 86_400)
"""Mails that a team has sent, in so many seconds."""

MAILS_OF_DOMAIN = (5, 86_400)
"""Mails to the postmaster of one domain, of all teams."""


class TooManyDomainMails(RateLimited):
    """The team has sent too many mails to postmasters, or the postmaster got too many."""


class DomainMailLimits:
    """Admits mails to postmasters, by the quotas of a team and of a domain."""

    def __init__(self, limits: Limits, of_team: Quota, of_domain: Quota) -> None:
        self._limits = limits
        self._of_team = of_team
        self._of_domain = of_domain

    async def charge(self, team_id: UUID, domain: str) -> Callable[[], Awaitable[None]]:
        """Admit a mail of a team to the postmaster of a domain in its normal form. Returns what gives the charge back.

        Raises:
            TooManyDomainMails
        """
        team, postmaster = Bucket(self._of_team, str(team_id), str(team_id)), Bucket(self._of_domain, domain, domain)
        await self._take(team)
        try:
            await self._take(postmaster)
        except TooManyDomainMails:
            await self._limits.give_back([team])
            raise
        return lambda: self._limits.give_back([team, postmaster])

    async def _take(self, bucket: Bucket) -> None:
        decision = await self._limits.take([bucket])
        if not decision.admitted:
            raise TooManyDomainMails(
                f"Too many mails were sent to this domain, or by your team; try again in {decision.retry_after} s, or"
                " publish the record.",
                decision.retry_after,
            )
