"""Domains of a team: named by an admin, proved by a DNS record or a mail, lost when the proof is gone for long.

A proved domain belongs to one team at a time. Holders of addresses of it may ask to join, or join at once, as the
settings say. See `decisions/0003-domains.md`.
"""

from datetime import datetime, timedelta
from uuid import UUID

import idna

from domain.access import Person, require_verified
from domain.kernel import Invalid
from domain.teams.domain_mails import needs_record
from domain.teams.refusals import DomainNotProved, DomainOfAll, NoSuchDomain, TooManyDomains
from domain.teams.team import Team, TeamDomain
from domain.text import domain_name

MAX_DOMAINS = 20

DOMAIN_LOST_AFTER = timedelta(days=7)
"""How long the record of a proved domain may be missing."""

RECORD_LABEL = "_palimpsest"
"""The record is at this name under the domain, so that it does not stand among those of others."""

MAX_DOMAIN_LENGTH = 240
"""The longest domain: with the label, it is still a name (RFC 1035, 2.3.4)."""


class UnusableDomain(Invalid):
    """A text is not a domain."""


def record_value(domain_id: UUID) -> str:
    """Return the text that the record of a domain has. It is another one for each team, and no secret."""
    return f"palimpsest-domain={domain_id}"


def add_domain(team: Team, *, domain_id: UUID, name: str, is_public_provider: bool, by: Person, now: datetime) -> UUID:
    """Name a domain that the team wants to prove, and return its id. One that is named already keeps its id.

    `is_public_provider`: everybody can get an address of the domain.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the person may not do it.
        AddressNotVerified: their own address is not verified.
        UnusableDomain, DomainOfAll, TooManyDomains: a rule forbids it.
    """
    team.require("manage_domains", by, now)
    require_verified(by)
    name = usable_domain(name)
    if is_public_provider:
        raise DomainOfAll("Everybody can get an address of this domain; name one that is yours.")
    for known, domain in team.domains.items():
        if domain["name"] == name:
            return known
    if len(team.domains) >= MAX_DOMAINS:
        raise TooManyDomains(f"A team has at most {MAX_DOMAINS} domains; remove one first.")
    team.trigger_event(Team.DomainAdded, now=now, domain_id=domain_id, name=name)
    return domain_id


def usable_domain(name: str) -> str:
    """Return the domain in its normal form, in which addresses have it, too.

    Raises:
        UnusableDomain: the text is not a domain.
    """
    usable = domain_name(name.strip())
    if usable is None or "." not in usable or len(ascii_domain(usable)) > MAX_DOMAIN_LENGTH:
        raise UnusableDomain("A domain looks like example.org.")
    return usable


def ascii_domain(name: str) -> str:
    """Return a domain in normal form as DNS has it."""
    return idna.encode(name).decode()


def record_name(name: str) -> str:
    """Return the name of the record of a domain in normal form, as DNS has it."""
    return f"{RECORD_LABEL}.{ascii_domain(name)}"


def prove_domain(team: Team, domain_id: UUID, *, found: bool, by: Person, now: datetime) -> None:
    """Make a domain the team's, if its record was found. One that is proved by it stays so.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the person may not do it.
        NoSuchDomain: the team has not named it.
        DomainNotProved: the record was not found.
    """
    team.require("manage_domains", by, now)
    domain = domain_of(team, domain_id)
    if not found:
        raise DomainNotProved("The record was not found; publish it, and try again when DNS shows it.")
    _note_found(team, domain_id, domain, now)


def note_domain(team: Team, domain_id: UUID, *, found: bool, now: datetime) -> None:
    """Note whether the record of a proved domain is there, which needs one. No actor: a schedule asks for it.

    It is lost if the record has been missing for `DOMAIN_LOST_AFTER`.
    """
    domain = team.domains.get(domain_id)
    if domain is None or not needs_record(domain, now):
        return
    since = domain["missing_since"]
    if found:
        _note_found(team, domain_id, domain, now)
    elif since is None:
        team.trigger_event(Team.DomainMissed, now=now, domain_id=domain_id)
    elif now >= since + DOMAIN_LOST_AFTER:
        team.trigger_event(Team.DomainLost, now=now, domain_id=domain_id, name=domain["name"])


def _note_found(team: Team, domain_id: UUID, domain: TeamDomain, now: datetime) -> None:
    """Note that the record of a domain is there: it proves the domain from now on."""
    if not domain["proved"] or domain["proved_by_mail_at"] is not None:
        team.trigger_event(Team.DomainProved, now=now, domain_id=domain_id, name=domain["name"])
    elif domain["missing_since"] is not None:
        team.trigger_event(Team.DomainFoundAgain, now=now, domain_id=domain_id)


def remove_domain(team: Team, domain_id: UUID, *, by: Person, now: datetime) -> None:
    """Remove a domain. One that the team has not causes no event.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the person may not do it.
    """
    team.require("manage_domains", by, now)
    if domain_id in team.domains:
        team.give_up_domain(domain_id, now=now)


def domain_of(team: Team, domain_id: UUID) -> TeamDomain:
    """Return a domain of the team.

    Raises:
        NoSuchDomain: the team has not named it.
    """
    if domain_id not in team.domains:
        raise NoSuchDomain("The team has not named this domain; add it first.")
    return team.domains[domain_id]
