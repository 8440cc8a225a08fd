"""Domains that are proved by a mail to their postmaster: who uses its link proves the domain for the team.

A mail is no record that can be looked for every day, so its proof is good for `MAIL_PROOF_LIFETIME`. After that the
domain needs a record, or another mail, as if its record were missing. See `decisions/0004-domains-proved-by-mail.md`.
"""

import hmac
from datetime import datetime, timedelta
from uuid import UUID

from domain.access import Person, require_verified
from domain.teams.refusals import DomainLinkNotValid
from domain.teams.team import Team, TeamDomain

DOMAIN_MAIL_LIFETIME = timedelta(hours=24)

MAIL_PROOF_LIFETIME = timedelta(days=180)
"""How long a domain is the team's by a mail."""

POSTMASTER = "postmaster"
"""The mailbox that each domain with mail must have, for the people who manage its mail (RFC 5321, 4.5.1)."""


def require_may_send(team: Team, *, by: Person, now: datetime) -> None:
    """Refuse mails to the postmasters of the team's domains.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the person may not do it.
        AddressNotVerified: their own address is not verified.
    """
    team.require("manage_domains", by, now)
    require_verified(by)


def request_mail(team: Team, domain_id: UUID, *, link_id: UUID, token_digest: str, by: Person, now: datetime) -> None:
    """Send a mail to the postmaster of a domain that the team has named. An earlier link ends.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue, AddressNotVerified: see `require_may_send`.
    """
    require_may_send(team, by=by, now=now)
    team.trigger_event(
        Team.DomainMailRequested,
        now=now,
        domain_id=domain_id,
        link_id=link_id,
        token_digest=token_digest,
        expires_at=now + DOMAIN_MAIL_LIFETIME,
        requested_by=by.user_id,
    )


def prove_by_mail(team: Team, *, token_digest: str, now: datetime) -> None:
    """Make the domain the team's whose link has this token. No actor: the token says who asks.

    Raises:
        DomainLinkNotValid: no domain has such a link, or not any more.
    """
    for domain_id, domain in team.domains.items():
        mail = domain["mail"]
        is_known = mail is not None and hmac.compare_digest(mail["digest"], token_digest)
        if mail is not None and is_known and now < mail["expires_at"] and _is_open(team):
            team.trigger_event(Team.DomainProvedByMail, now=now, domain_id=domain_id, name=domain["name"])
            return
    raise domain_link_not_valid()


def domain_link_not_valid() -> DomainLinkNotValid:
    """Return the refusal of a link: the same for all reasons."""
    return DomainLinkNotValid("This link is not valid, or not any more; the team can have another mail sent.")


def needs_record(domain: TeamDomain, now: datetime) -> bool:
    """Return whether the domain is proved, and not by a mail that is good at present."""
    mailed = domain["proved_by_mail_at"]
    return domain["proved"] and (mailed is None or now >= mailed + MAIL_PROOF_LIFETIME)


def _is_open(team: Team) -> bool:
    return team.dissolved_at is None and team.dissolution_due is None
