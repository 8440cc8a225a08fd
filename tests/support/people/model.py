"""A plain model of who sees what, with which role: numbers, sets and dicts, and nothing of the service's own rules.

People, email addresses, documents, teams and links are numbers. Nothing here refuses: the tests tell the model what
was done, and it says who has which role after that. Its times are days.
"""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from tests.support.people.team_model import DOMAINS, TEAM_RANKS, TeamModel

Owner = tuple[Literal["user", "team"], int]

RANKS = {None: 0, "viewer": 1, "commenter": 2, "editor": 3, "owner": 4}


@dataclass
class DocumentModel:
    """A document. `shares` by address, `bound`: who holds the share of an address, `links`: those that live.

    `offer`: to an address ("user") or a team.
    """

    owner: Owner
    shares: dict[int, str] = field(default_factory=dict)
    bound: dict[int, int] = field(default_factory=dict)
    links: dict[int, str] = field(default_factory=dict)
    guests: dict[int, set[int]] = field(default_factory=dict)
    loans: dict[int, tuple[str, int]] = field(default_factory=dict)
    requests: dict[int, tuple[str, str]] = field(default_factory=dict)
    offer: Owner | None = None
    offered_by: int | None = None
    offered_until: float = 0
    folder: UUID | None = None
    trashed: float | None = None
    archived: bool = False
    tags: set[str] = field(default_factory=set)
    public: bool = False
    gone: bool = False

    def revoke(self, address: int) -> None:
        """End the share of an address."""
        self.shares.pop(address, None)
        self.bound.pop(address, None)


class Model:
    """Everything that exists, and who sees it."""

    def __init__(self, people: int) -> None:
        self.addresses = {number: number for number in range(people)}
        self.former: dict[int, tuple[int, float]] = {}
        """Former addresses that their people may still have back, and since when."""
        self.hidden: dict[int, float] = {}
        """People whose accounts wait for their deletion, and since when."""
        self.reminded: dict[int, float] = {}
        self.documents: list[DocumentModel] = []
        self.teams: list[TeamModel] = []
        self.joined = 0
        self.day = 0.0

    @property
    def people(self) -> list[int]:
        """The people who have not been erased."""
        return [*self.addresses]

    @property
    def active(self) -> list[int]:
        """The people who can log in."""
        return [each for each in self.people if each not in self.hidden]

    def role(self, person: int, number: int) -> str | None:
        """A person's role on a document; None: they do not see it."""
        document = self.documents[number]
        if document.gone:
            return None
        if document.owner == ("user", person):
            return "owner"
        if self.is_hidden_from(person, document):
            return None
        return max(self.roles(person, document), key=RANKS.__getitem__)

    def is_hidden_from(self, person: int | None, document: DocumentModel) -> bool:
        """Whether the document's owner waits for the deletion of their account, and is another person."""
        kind, owner = document.owner
        return kind == "user" and owner in self.hidden and owner != person

    def roles(self, person: int, document: DocumentModel) -> list[str | None]:
        """All roles of a person who is not the owner, whatever they come from; None is among them."""
        kind, owner = document.owner
        found = [self.teams[owner].role_on_documents(person) if kind == "team" else None]
        found += [document.shares[address] for address in self.shares_of(person, document)]
        found += [document.links[link] for link in document.guests.get(person, ()) if link in document.links]
        for team, (role, _) in document.loans.items():
            if self.lends(document, team):
                found.append(min(role, self.teams[team].role_on_documents(person), key=RANKS.__getitem__))
        return found

    def shares_of(self, person: int, document: DocumentModel) -> list[int]:
        """The addresses whose shares a person holds."""
        bound = [address for address, holder in document.bound.items() if holder == person]
        own = self.addresses.get(person)
        return [*bound, own] if own in document.shares and own not in document.bound else bound

    def with_unused_share(self, number: int) -> list[int]:
        """The people to whose address a document is shared, if no person holds that share yet."""
        document = self.documents[number]
        return [p for p, own in self.addresses.items() if own in document.shares and own not in document.bound]

    def with_ended_loan(self, team: int) -> list[int]:
        """The people who had lent a document to a team when their membership ended."""
        loans = [each for each in self.documents if each.owner[0] == "user" and team in each.loans]
        return [each.owner[1] for each in loans if not self.lends(each, team) and each.owner[1] in self.addresses]

    def lenders(self, team: int) -> list[int]:
        """The members who have lent a document to a team."""
        return [each.owner[1] for each in self.documents if team in each.loans and self.lends(each, team)]

    def lends(self, document: DocumentModel, team: int) -> bool:
        """Whether a loan to a team lives: its owner is a member as they were when they lent the document."""
        kind, owner = document.owner
        _, membership = document.loans[team]
        is_member = kind == "user" and self.teams[team].memberships.get(owner) == membership
        return is_member and not self.teams[team].gone

    def folder(self, person: int, number: int) -> UUID | None:
        """The folder of a document, as a person is shown it: those of an owner are shown to no other person."""
        document = self.documents[number]
        kind, owner = document.owner
        sees = owner == person if kind == "user" else self.teams[owner].role_on_documents(person) is not None
        return document.folder if sees else None

    def is_public(self, number: int) -> bool:
        """Whether everybody may read a document."""
        document = self.documents[number]
        is_open = not document.gone and document.trashed is None and not self.is_hidden_from(None, document)
        return document.public and is_open

    def team_role(self, person: int, number: int) -> str | None:
        """A person's role in a team; "invited" if they only hold an invitation."""
        team = self.teams[number]
        role = team.members.get(person)
        return "invited" if role is None and self.invitation(person, number) is not None else role

    def invitation(self, person: int, number: int) -> str | None:
        """The role of a person's open invitation."""
        role, until = self.teams[number].invited.get(self.addresses[person], (None, 0.0))
        return role if self.day < until else None

    def owner_of_address(self, address: int) -> int | None:
        """The person whose address it is, or who has left it and may have it back."""
        present = [person for person, own in self.addresses.items() if own == address]
        former = [person for person, (own, _) in self.former.items() if own == address]
        return next(iter(present + former), None)

    def invite(self, by: int, number: int, address: int, role: str) -> str:
        """Invite the holder of an address to a team; return "invited", or the code of the refusal."""
        team = self.teams[number]
        if address == self.addresses[by] or self.owner_of_address(address) in team.members:
            return "already_a_member"
        return team.invite(address, role, self.day)

    def holder_of_domain(self, domain: int) -> int | None:
        """The team that has proved a domain."""
        return next(
            (n for n, each in enumerate(self.teams) if domain in each.domains and each.domains[domain].proof), None
        )

    def show_request(self, person: int, number: int) -> None:
        """Show a person's request to a team, or make them a member, if the team welcomes people with their address."""
        team, request = self.teams[number], self.teams[number].asked[person]
        if person not in self.active or person in team.members or request.state != "open" or request.shown:
            return
        address = self.addresses[person]
        if team.welcomes(address % DOMAINS):
            role = team.role_at_once(person, address, self.day)
            request.shown = role is None
            if role is not None:
                self.admit(person, number, role)

    def admit(self, person: int, number: int, role: str) -> None:
        """Make a person who asks for it a member."""
        team = self.teams[number]
        team.asked[person].state, team.asked[person].answered = "accepted", self.day
        team.invited.pop(self.addresses[person], None)
        self.join(person, number, role)

    def seen_requests(self, number: int) -> set[int]:
        """The people whose requests the admins of a team see."""
        asked = self.teams[number].asked
        return {each for each in self.active if each in asked and asked[each].state == "open" and asked[each].shown}

    def is_offered(self, person: int, number: int) -> bool:
        """Whether a document is offered to a person, or to a team for which they answer."""
        document = self.documents[number]
        if document.offer is None or self.day >= document.offered_until:
            return False
        if document.gone or self.is_hidden_from(person, document):
            return False
        kind, to = document.offer
        if kind == "user":
            return to == self.addresses[person] and document.offered_by != person
        return self.teams[to].role_on_documents(person) == "owner"

    def join(self, person: int, number: int, role: str) -> None:
        """Make a person a member."""
        self.joined += 1
        self.teams[number].members[person] = role
        self.teams[number].memberships[person] = self.joined
        self.teams[number].removed.discard(person)

    def use(self, person: int, number: int) -> None:
        """Bind the share of a person's address to them, if no person holds it."""
        document = self.documents[number]
        address = self.addresses[person]
        if address in document.shares and address not in document.bound and document.owner != ("user", person):
            document.bound[address] = person

    def give(self, person: int, number: int, role: str) -> None:
        """Give a person a share that is bound to them, or change the one that they hold."""
        document = self.documents[number]
        held = [address for address, holder in document.bound.items() if holder == person]
        address = held[0] if held else self.addresses[person]
        document.shares[address], document.bound[address] = role, person

    def transfer(self, number: int, by: int) -> None:
        """Give a document to the person or the team to which it is offered. Its former owner stays an editor."""
        document = self.documents[number]
        assert document.offer is not None
        kind, former = document.owner
        document.owner = ("user", by) if document.offer[0] == "user" else document.offer
        if document.owner[0] == "user":
            for address in self.shares_of(by, document):
                document.revoke(address)
        if kind == "user":
            address = self.addresses[former]
            document.shares[address], document.bound[address] = "editor", former
        document.loans, document.offer, document.folder = {}, None, None

    def erase_team(self, number: int) -> None:
        """Erase a team with its documents."""
        self.teams[number].erase()
        self.erase_documents(("team", number))

    def erase_documents(self, owner: Owner) -> None:
        """Erase all documents of an owner."""
        for document in self.documents:
            if document.owner == owner:
                document.gone = True

    def erase_person(self, person: int) -> None:
        """Erase a person with their documents and addresses; another member follows the last owner of a team."""
        self.erase_documents(("user", person))
        for number, team in enumerate(self.teams):
            if person in team.members:
                self._end_membership(person, number)
        addresses = {self.addresses.pop(person), self.former.pop(person, (None, 0))[0]}
        for document in self.documents:
            for address in [*document.shares]:
                if address in addresses or document.bound.get(address) == person:
                    document.revoke(address)
            if document.offer in [("user", address) for address in addresses]:
                document.offer = None
        for team in self.teams:
            team.invited = {address: held for address, held in team.invited.items() if address not in addresses}
        del self.hidden[person], self.reminded[person]

    def _end_membership(self, person: int, number: int) -> None:
        team = self.teams[number]
        others = {other: role for other, role in team.members.items() if other != person and role != "guest"}
        if not others:
            self.erase_team(number)
            return
        heir = max(others, key=lambda other: TEAM_RANKS[others[other]])  # of equal ones the first, who joined earlier
        if others[heir] != "owner":
            team.members[heir] = "owner"
        team.end(person)
        team.removed.add(person)
