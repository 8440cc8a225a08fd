"""Guesses at the passwords of share links: how many may fail for a link.

A guess is charged before the password is compared, and gets its charge back if it is right. Only people who have the
link can guess at all, so its other users wait for them at worst.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from application.ports import Bucket, Limits, Quota, RateLimited
from domain.kernel import Forbidden

LINK_GUESSES = (20, 3_600)
"""Wrong passwords for a link, in so many seconds."""


class TooManyGuesses(RateLimited):
    """Too many passwords for a share link were wrong."""


class LinkGuesses:
    """Admits guesses."""

    def __init__(self, limits: Limits, quota: Quota) -> None:
        self._limits = limits
        self._quota = quota

    @asynccontextmanager
    async def guess(self, link_id: UUID) -> AsyncIterator[None]:
        """Admit a guess at the password of a link. The body refuses a wrong one (`Forbidden`).

        Raises:
            TooManyGuesses: too many have failed.
        """
        buckets = [Bucket(self._quota, str(link_id), str(link_id))]
        decision = await self._limits.take(buckets)
        if not decision.admitted:
            raise TooManyGuesses(
                f"Too many passwords for this link were wrong; try again in {decision.retry_after} s.",
                decision.retry_after,
            )
        try:
            yield
        except Forbidden:
            raise
        except Exception:
            # No failure of the caller, but of a server.
            await self._limits.give_back(buckets)
            raise
        await self._limits.give_back(buckets)
