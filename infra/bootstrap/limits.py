"""Limits of requests and mails, challenges, attempts to log in, guesses at links.

The buckets are in Redis, or in each process.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import get_args

from adapters.http.api.limits import LimitName, RequestLimits
from adapters.proof_of_work import ProofOfWork
from application.content.link_guesses import LINK_GUESSES, LinkGuesses
from application.identity.attempts import ACCOUNT_STAGES, WORK_SECONDS, WORK_STAGES, AttemptQuotas, SignInAttempts
from application.ports import Challenges, EmailIndex, Limits, Quota
from application.teams.domain_mail_limits import MAILS_OF_DOMAIN, MAILS_OF_TEAM, DomainMailLimits
from infra.bootstrap.links import signing_secrets
from infra.bootstrap.write_side import WriteSide, utc_now
from infra.cache.read_cache import open_redis
from infra.limits.local_limits import LocalLimits
from infra.limits.shared_limits import CLIENT_SECONDS, SharedLimits
from infra.sealing.blind_index import BlindIndex
from infra.settings.limits import LimitSettings
from infra.settings.model import Settings
from infra.settings.redis import RedisSettings

STRICT = frozenset({"sign-in", "sign-in-failures", "registration", "registration-range"})
"""Limits of which a process has only half while it does not reach the others, as it has of failures for an account."""


@dataclass(frozen=True, slots=True)
class OpenLimits:
    """What refuses callers that ask too often."""

    requests: RequestLimits
    challenges: Challenges
    attempts: SignInAttempts
    guesses: LinkGuesses
    domain_mails: DomainMailLimits


@asynccontextmanager
async def open_limits(settings: Settings, core: WriteSide) -> AsyncIterator[OpenLimits]:
    """Open the limits; they work while Redis is down, too."""
    async with open_buckets(settings.redis, core.blind) as limits:
        work = ProofOfWork(
            signing_secrets(core.keys.ring), limits=limits, clock=utc_now, cost=settings.limits.challenge_cost
        )
        core.keys.follow(lambda ring: work.use(signing_secrets(ring)))
        attempts = sign_in_attempts(limits, work, core.blind, settings.limits)
        requests = request_limits(limits, settings.limits)
        guesses, mails = link_guesses(limits, settings.limits), domain_mail_limits(limits, settings.limits)
        yield OpenLimits(requests, work, attempts, guesses, mails)


def request_limits(limits: Limits, settings: LimitSettings) -> RequestLimits:
    """The limits of requests."""
    names: tuple[LimitName, ...] = get_args(LimitName)
    return RequestLimits(limits, {name: _quota(settings, name) for name in names})


def sign_in_attempts(
    limits: Limits, challenges: Challenges, addresses: EmailIndex, settings: LimitSettings
) -> SignInAttempts:
    """The limits of failed attempts to log in."""
    account = [
        _strict(f"account-{stage}", count * settings.scale, seconds)
        for stage, (count, seconds) in enumerate(ACCOUNT_STAGES, start=1)
    ]
    work = [
        _strict(f"work-{stage}", count * settings.scale, WORK_SECONDS)
        for stage, count in enumerate(WORK_STAGES, start=1)
    ]
    quotas = AttemptQuotas(_quota(settings, "sign-in-failures"), account, work)
    return SignInAttempts(limits, challenges, addresses, quotas)


def link_guesses(limits: Limits, settings: LimitSettings) -> LinkGuesses:
    """The limit of wrong passwords for a share link."""
    return LinkGuesses(limits, _constant(settings, "link-password", LINK_GUESSES))


def domain_mail_limits(limits: Limits, settings: LimitSettings) -> DomainMailLimits:
    """The limits of mails that prove domains."""
    of_team = _constant(settings, "domain-mail-team", MAILS_OF_TEAM)
    return DomainMailLimits(limits, of_team, _constant(settings, "domain-mail", MAILS_OF_DOMAIN))


@asynccontextmanager
async def open_buckets(settings: RedisSettings, blind: BlindIndex) -> AsyncIterator[Limits]:
    """Open the buckets, in Redis if there is one; close the connections at the end."""
    if settings.url is None:
        yield LocalLimits()
        return
    redis = open_redis(settings.url.get_secret_value(), timeout=CLIENT_SECONDS, connections=2)
    limits = SharedLimits(redis, blind, LocalLimits(alone=True))
    try:
        await limits.start()
        yield limits
    finally:
        await limits.close()


def _constant(settings: LimitSettings, name: str, limit: tuple[int, int]) -> Quota:
    number, seconds = limit
    count = number * settings.scale
    return Quota(name, count, seconds, count)


def _quota(settings: LimitSettings, name: str) -> Quota:
    number, seconds = map(int, str(getattr(settings, name.replace("-", "_"))).split("/"))
    count = number * settings.scale
    return _strict(name, count, seconds) if name in STRICT else Quota(name, count, seconds, count)


def _strict(name: str, count: int, seconds: int) -> Quota:
    return Quota(name, count, seconds, -(-count // 2))
