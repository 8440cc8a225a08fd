"""Limits for tests: so large that no test meets them by accident."""

from datetime import UTC, datetime

from adapters.http.api.limits import RequestLimits
from adapters.proof_of_work import ProofOfWork
from application.content.link_guesses import LinkGuesses
from application.identity.attempts import SignInAttempts
from application.ports import Clock, Limits
from application.teams.domain_mail_limits import DomainMailLimits
from infra.bootstrap import limits as wiring
from infra.limits.local_limits import LocalLimits
from infra.sealing.blind_index import BlindIndex
from infra.settings.limits import LimitSettings
from tests.support.stores import BLIND_KEY

MANY = 1_000_000
PLENTY = {"PALIMPSEST_LIMIT_SCALE": str(MANY)}
"""The setting of processes that are not tested for their limits."""


def request_limits(limits: Limits | None = None, *, scale: int = MANY) -> RequestLimits:
    """Limits of requests, in memory."""
    return wiring.request_limits(limits or LocalLimits(), _settings(scale))


def light_work(limits: Limits | None = None, clock: Clock = lambda: datetime.now(UTC)) -> ProofOfWork:
    """Challenges that are solved quickly."""
    return ProofOfWork([b"k" * 32], limits=limits or LocalLimits(), clock=clock, cost=1)


def sign_in_attempts(
    limits: Limits | None = None, work: ProofOfWork | None = None, *, scale: int = MANY
) -> SignInAttempts:
    """Limits of failed attempts to log in, in memory."""
    found = limits or LocalLimits()
    return wiring.sign_in_attempts(found, work or light_work(found), BlindIndex(BLIND_KEY), _settings(scale))


def link_guesses(limits: Limits | None = None, *, scale: int = MANY) -> LinkGuesses:
    """Limits of wrong passwords for share links, in memory."""
    return wiring.link_guesses(limits or LocalLimits(), _settings(scale))


def domain_mail_limits(limits: Limits | None = None, *, scale: int = MANY) -> DomainMailLimits:
    """Limits of mails that prove domains, in memory."""
    return wiring.domain_mail_limits(limits or LocalLimits(), _settings(scale))


def _settings(scale: int) -> LimitSettings:
    return LimitSettings.model_validate({"PALIMPSEST_LIMIT_SCALE": scale})
