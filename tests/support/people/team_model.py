"""A team in the plain model: members, invitations, seats, domains, and people who ask to join.

People, email addresses and domains are numbers; the times are days. An address is of the domain with its number, modulo
`DOMAINS`.
"""

from dataclasses import dataclass, field
from typing import Literal

DOMAINS = 3
SEATS = {"free": 5, "pro": 25, "enterprise": 250}

TEAM_RANKS = {None: 0, "invited": 0, "guest": 1, "viewer": 2, "editor": 3, "admin": 4, "owner": 5}
GIVEN = {"guest": None, "viewer": "viewer", "editor": "editor", "admin": "owner", "owner": "owner"}
"""The roles on a team's documents that roles in the team give."""

OFFER_DAYS = 14
"""How long an invitation or an offer is open."""

MAIL_PAUSE = 10 / (24 * 60)
"""How soon an invitation is sent again."""

ASK_AGAIN_DAYS = 7
DOMAIN_LOST_DAYS = 7
MAIL_PROOF_DAYS = 180
LINK_DAYS = 1


@dataclass
class DomainModel:
    """A domain that a team has named. `mail`: the link in the last mail to its postmaster, and until when it works."""

    published: bool = False
    """Whether its record is in DNS."""
    proof: Literal["record", "mail"] | None = None
    mailed: float = 0
    missed: float | None = None
    mail: tuple[int, float] | None = None

    def prove(self, proof: Literal["record", "mail"], day: float) -> None:
        """Make the domain the team's."""
        self.proof, self.mailed, self.missed = proof, day, None

    def look(self, day: float) -> None:
        """Look for the record of a proved domain that needs one."""
        if self.proof is None or (self.proof == "mail" and day < self.mailed + MAIL_PROOF_DAYS):
            return
        if self.published:
            self.proof, self.missed = "record", None
        elif self.missed is None:
            self.missed = day
        elif day >= self.missed + DOMAIN_LOST_DAYS:
            self.proof = self.missed = None


@dataclass
class JoinModel:
    """The last request of a person to join a team. `shown`: the team sees it."""

    state: Literal["open", "accepted", "declined", "withdrawn"] = "open"
    shown: bool = False
    answered: float = 0


@dataclass
class TeamModel:
    """A team. `memberships`: a number for each membership, which tells it from an earlier one of the same person."""

    members: dict[int, str]
    memberships: dict[int, int]
    seats: int = SEATS["enterprise"]
    invited: dict[int, tuple[str, float]] = field(default_factory=dict)
    """Of each address that was ever invited: the role, and until when."""
    removed: set[int] = field(default_factory=set)
    """People who were removed since they last joined."""
    join: str = "invited_only"
    domain_role: str | None = None
    domains: dict[int, DomainModel] = field(default_factory=dict)
    asked: dict[int, JoinModel] = field(default_factory=dict)
    offer: tuple[int, int] | None = None
    dissolving: float | None = None
    gone: Literal["dissolved", "erased"] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is not dissolved, and not about to be."""
        return not self.gone and self.dissolving is None

    def role_on_documents(self, person: int) -> str | None:
        """The role that a member has on what belongs to the team."""
        role = GIVEN[self.members[person]] if person in self.members and not self.gone else None
        return "viewer" if role and self.dissolving is not None else role

    def end(self, person: int) -> None:
        """End a membership."""
        del self.members[person], self.memberships[person]
        self.end_offer(person)

    def end_offer(self, person: int) -> None:
        """End an offer of the ownership by or to somebody."""
        if self.offer is not None and person in self.offer:
            self.offer = None

    def seats_taken(self, day: float) -> int:
        """The number of members and open invitations."""
        return len(self.members) + sum(day < until for _, until in self.invited.values())

    def has_seat(self, address: int, day: float) -> bool:
        """Whether a seat is free for the holder of an address, maybe by their own invitation."""
        _, until = self.invited.get(address, (None, 0.0))
        return self.seats_taken(day) - (day < until) < self.seats

    def invite(self, address: int, role: str, day: float) -> str:
        """Invite the holder of an address who is no member; return "invited", or the code of the refusal."""
        held, until = self.invited.get(address, (None, 0.0))
        if held == role and day < until:
            return "invited"
        if day < until - OFFER_DAYS + MAIL_PAUSE:
            return "invited_recently"
        if not self.has_seat(address, day):
            return "team_is_full"
        self.invited[address] = (role, day + OFFER_DAYS)
        return "invited"

    def has_proved(self, domain: int) -> bool:
        """Whether a domain is the team's."""
        return domain in self.domains and self.domains[domain].proof is not None

    def welcomes(self, domain: int) -> bool:
        """Whether a person with an address of a domain may ask to join."""
        is_asked_for = self.join == "by_request_from_domains" and self.has_proved(domain)
        return self.is_open and (self.join == "by_request" or is_asked_for)

    def role_at_once(self, person: int, address: int, day: float) -> str | None:
        """The role with which a person joins as soon as they ask."""
        domain = self.domains.get(address % DOMAINS)
        is_there = domain is not None and domain.proof is not None and domain.missed is None
        is_free = person not in self.removed and self.has_seat(address, day)
        return self.domain_role if is_there and is_free else None

    def erase(self) -> None:
        """Erase it."""
        self.gone = "erased"
        self.members, self.memberships, self.invited, self.domains, self.offer = {}, {}, {}, {}, None
