"""Events of teams about their domains. Other code calls them `Team.DomainAdded` and so on."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from domain.kernel import Claim, Personal, Root

if TYPE_CHECKING:
    from domain.teams.team import Team


def domain_claim(name: str) -> Claim:
    """Return the claim to a domain."""
    return Claim("team_domain", name)


class TeamDomainAdded(Root.Event):
    """A domain was named, which is not proved yet."""

    TOPIC = "team.domain_added"
    domain_id: UUID
    name: Personal[str]

    def apply(self, aggregate: "Team") -> None:
        aggregate.domains[self.domain_id] = {
            "name": self.name,
            "proved": False,
            "proved_by_mail_at": None,
            "missing_since": None,
            "mail": None,
        }


class TeamDomainProved(Root.Event):
    """The record of the domain was found: it belongs to the team."""

    TOPIC = "team.domain_proved"
    domain_id: UUID
    name: Personal[str]

    def claims(self) -> Iterable[Claim]:
        return [domain_claim(self.name)]

    def apply(self, aggregate: "Team") -> None:
        domain = aggregate.domains[self.domain_id]
        domain["proved"], domain["proved_by_mail_at"], domain["missing_since"] = True, None, None


class TeamDomainMailRequested(Root.Event):
    """A mail with a link that proves the domain was requested. Its link ends that of an earlier mail.

    `token_digest`: of the token of the link (SHA-256, hexadecimal).
    """

    TOPIC = "team.domain_mail_requested"
    domain_id: UUID
    link_id: UUID
    token_digest: str
    expires_at: datetime
    requested_by: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.domains[self.domain_id]["mail"] = {
            "link_id": self.link_id,
            "digest": self.token_digest,
            "expires_at": self.expires_at,
        }


class TeamDomainProvedByMail(Root.Event):
    """The link of a mail to the domain was used, which ends it: the domain belongs to the team."""

    TOPIC = "team.domain_proved_by_mail"
    domain_id: UUID
    name: Personal[str]

    def claims(self) -> Iterable[Claim]:
        return [domain_claim(self.name)]

    def apply(self, aggregate: "Team") -> None:
        domain = aggregate.domains[self.domain_id]
        domain["proved"], domain["proved_by_mail_at"] = True, self.timestamp
        domain["missing_since"] = domain["mail"] = None


class TeamDomainMissed(Root.Event):
    """The record of a proved domain was not found for the first time."""

    TOPIC = "team.domain_missed"
    domain_id: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.domains[self.domain_id]["missing_since"] = self.timestamp


class TeamDomainFoundAgain(Root.Event):
    TOPIC = "team.domain_found_again"
    domain_id: UUID

    def apply(self, aggregate: "Team") -> None:
        aggregate.domains[self.domain_id]["missing_since"] = None


class TeamDomainLost(Root.Event):
    """The record was not found for too long: the domain is not proved any more."""

    TOPIC = "team.domain_lost"
    domain_id: UUID
    name: Personal[str]

    def releases(self) -> Iterable[Claim]:
        return [domain_claim(self.name)]

    def apply(self, aggregate: "Team") -> None:
        domain = aggregate.domains[self.domain_id]
        domain["proved"], domain["proved_by_mail_at"], domain["missing_since"] = False, None, None


class TeamDomainRemoved(Root.Event):
    """`proved`: it was proved until now."""

    TOPIC = "team.domain_removed"
    domain_id: UUID
    name: Personal[str]
    proved: bool

    def releases(self) -> Iterable[Claim]:
        return [domain_claim(self.name)] if self.proved else []

    def apply(self, aggregate: "Team") -> None:
        aggregate.domains.pop(self.domain_id, None)
