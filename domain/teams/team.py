"""Teams: groups of users on paid seats. No user joins a team without a free seat, and it never lacks an owner.

Roles and their actions are in `domain/access.py`. An open invitation holds a seat until it is answered, revoked or
expired, so that accepting it does not fail for lack of a seat, unless the team has fewer seats by then.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypedDict
from uuid import UUID

from domain.access import TEAM, Person
from domain.kernel import Claim, FirstEvent, Party, Personal, Root
from domain.teams import domain_events, events
from domain.teams.budget_limits import TeamBudgetLimited
from domain.teams.naming import slug_claim, usable_name, usable_slug
from domain.teams.refusals import (
    DissolutionIsRequested,
    LastOwner,
    NoSuchMember,
    TeamIsDissolved,
)
from domain.teams.roles import InvitedRole, Role
from domain.teams.seats import SEATS
from domain.teams.settings import DomainRole, JoinRule, TeamSettingsChanged

WHILE_DISSOLUTION_IS_DUE = frozenset({"dissolve", "leave", "answer_invitation"})
"""What can still be done with a team that is about to be dissolved."""


class DomainLink(TypedDict):
    """The link in a mail that proves a domain. `digest`: of its token (SHA-256, hexadecimal)."""

    link_id: UUID
    digest: str
    expires_at: datetime


class TeamDomain(TypedDict):
    """A domain. `proved_by_mail_at`: None: its record proves it, or nothing does.

    `missing_since`: when its record was first not found since it was last found; None: it is there, or a mail is good.
    `mail`: the last one, whose link was not used yet.
    """

    name: str
    proved: bool
    proved_by_mail_at: datetime | None
    missing_since: datetime | None
    mail: DomainLink | None


class Team(Root):
    """Members and invited addresses, with their roles."""

    TOPIC = "team"
    snapshot_version = 4

    class Founded(FirstEvent):
        TOPIC = "team.founded"
        name: Personal[str]
        slug: Personal[str]
        owner_id: UUID
        seats: int

        def claims(self) -> Iterable[Claim]:
            return [slug_claim(self.slug)]

        def apply(self, aggregate: "Team") -> None:
            aggregate.name = self.name
            aggregate.slug = self.slug
            aggregate.seats = self.seats
            aggregate.members = {self.owner_id: "owner"}
            aggregate.removed = set()
            aggregate.joined = {self.owner_id: self.originator_version}
            aggregate.invited = {}
            aggregate.invited_until = {}
            aggregate.join = "invited_only"
            aggregate.domain_role = None
            aggregate.settings_version = 1
            aggregate.domains = {}
            aggregate.budget_limits = {}
            aggregate.offered_by = None
            aggregate.offered_to = None
            aggregate.dissolution_due = None
            aggregate.dissolved_at = None

    class Erased(Root.Event):
        TOPIC = "team.erased"
        revokes = ("team",)
        erases = True

        def apply(self, aggregate: "Team") -> None:
            aggregate.erased = True
            aggregate.members, aggregate.joined, aggregate.invited, aggregate.invited_until = {}, {}, {}, {}
            aggregate.offered_by = aggregate.offered_to = None
            aggregate.dissolved_at = self.timestamp

    class Renamed(events.NameChanged): ...

    class SlugChanged(events.SlugChanged): ...

    class SeatsChanged(events.SeatsChanged): ...

    class SettingsChanged(TeamSettingsChanged): ...

    class BudgetLimited(TeamBudgetLimited): ...

    class DomainAdded(domain_events.TeamDomainAdded): ...

    class DomainProved(domain_events.TeamDomainProved): ...

    class DomainMailRequested(domain_events.TeamDomainMailRequested): ...

    class DomainProvedByMail(domain_events.TeamDomainProvedByMail): ...

    class DomainMissed(domain_events.TeamDomainMissed): ...

    class DomainFoundAgain(domain_events.TeamDomainFoundAgain): ...

    class DomainLost(domain_events.TeamDomainLost): ...

    class DomainRemoved(domain_events.TeamDomainRemoved): ...

    class MemberInvited(events.MemberInvited): ...

    class InvitationAccepted(events.InvitationAccepted): ...

    class InvitationDeclined(events.InvitationDeclined): ...

    class InvitationRevoked(events.InvitationRevoked): ...

    class InvitationExpired(Root.Event):
        TOPIC = "team.invitation_expired"
        revokes = ("team_invitation",)
        address_id: UUID

        def apply(self, aggregate: "Team") -> None:
            aggregate.close_invitation(self.address_id)

    class MemberJoined(events.MemberJoined): ...

    class MemberRoleChanged(events.MemberRoleChanged): ...

    class MemberRemoved(events.MemberRemoved): ...

    class MemberLeft(events.MemberLeft): ...

    class OwnershipOffered(events.OwnershipOffered): ...

    class OwnershipOfferDeclined(events.OwnershipOfferDeclined): ...

    class OwnershipOfferWithdrawn(events.OwnershipOfferWithdrawn): ...

    class OwnershipTransferred(events.OwnershipTransferred): ...

    class DissolutionRequested(events.DissolutionRequested): ...

    class DissolutionWithdrawn(events.DissolutionWithdrawn): ...

    class Dissolved(Root.Event):
        TOPIC = "team.dissolved"
        revokes = ("team",)
        slug: Personal[str]

        def releases(self) -> Iterable[Claim]:
            return [slug_claim(self.slug)]

        def apply(self, aggregate: "Team") -> None:
            aggregate.dissolved_at = self.timestamp

    name: str
    slug: str
    seats: int
    members: dict[UUID, Role]
    removed: set[UUID]
    """Users who were removed: they do not join by themselves again."""
    joined: dict[UUID, int]
    """Of each member the version of the event by which they joined: it tells one membership from a later one."""
    invited: dict[UUID, InvitedRole]
    invited_until: dict[UUID, datetime]
    join: JoinRule
    domain_role: DomainRole | None
    """The role with which holders of addresses of proved domains join at once; None: they ask as others do."""
    settings_version: int
    """The version that last changed the settings."""
    domains: dict[UUID, TeamDomain]
    budget_limits: dict[UUID, list[int | None]]
    """The most tokens and micro-dollars that the team (its own id) and members may use in a month; None: no limit."""
    offered_by: UUID | None
    """The owner who offers the ownership."""
    offered_to: UUID | None
    """The member whom the ownership is offered to."""
    dissolution_due: datetime | None
    """When the team is to be dissolved, at the earliest; None: it is not."""
    dissolved_at: datetime | None

    @classmethod
    def found(
        cls, *, id: UUID, name: str, slug: str, owner_id: UUID, now: datetime, seats: int = SEATS["free"]
    ) -> "Team":
        """Found a team, with its owner as the only member.

        Raises:
            UnusableText, UnusableSlug: the name or the slug is not valid.
        """
        name, slug = usable_name(name), usable_slug(slug)
        return cls.start_stream(
            cls.Founded,
            id=id,
            tenant=Party("team", id),
            now=now,
            name=name,
            slug=slug,
            owner_id=owner_id,
            seats=seats,
        )

    def role_of(self, person: Person, now: datetime) -> Role | Literal["invited"] | None:
        """Return the person's role. An expired invitation gives none."""
        role = self.members.get(person.user_id)
        if role is None and person.address_id is not None and self.is_open(person.address_id, now):
            return "invited"
        return role

    def require(self, action: str, person: Person, now: datetime) -> None:
        """Refuse an action (`domain.access.TEAM`) that the person's role is not enough for, or any on a dissolved team.

        Raises:
            NotFound: the person is no member.
            RoleTooLow: their role is lower than the action takes.
            TeamIsDissolved: the team is dissolved.
            DissolutionIsRequested: it is about to be, and until then read-only.
        """
        TEAM.require(action, self.role_of(person, now))
        if self.dissolved_at is not None:
            raise TeamIsDissolved("This team was dissolved; found a new one.")
        if self.dissolution_due is not None and action not in WHILE_DISSOLUTION_IS_DUE:
            raise DissolutionIsRequested("This team is about to be dissolved; an owner can withdraw that.")

    def rename(self, name: str, *, by: Person, now: datetime) -> None:
        """Change the name; the slug stays.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: the person may not do it.
            UnusableText: the name is not valid.
        """
        self.require("rename", by, now)
        name = usable_name(name)
        if name != self.name:
            self.trigger_event(self.Renamed, now=now, name=name)

    def change_slug(self, slug: str, *, by: Person, now: datetime) -> None:
        """Change the slug; the former one is free again.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: the person may not do it.
            UnusableSlug: the slug is not valid.
        """
        self.require("rename", by, now)
        slug = usable_slug(slug)
        if slug != self.slug:
            self.trigger_event(self.SlugChanged, now=now, slug=slug, former_slug=self.slug)

    def change_role(self, *, user_id: UUID, role: Role, by: Person, now: datetime) -> None:
        """Change the role of a member.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: the person may not do it; only owners make owners or change them.
            NoSuchMember: the user is not a member.
            LastOwner: the team would have no owner.
        """
        former = self._require_manageable(user_id, by, now)
        if role == former:
            return
        if role == "owner":
            self.require("manage_owners", by, now)
        self._require_another_owner(user_id)
        self.end_offer_of(user_id, now=now)
        self.trigger_event(self.MemberRoleChanged, now=now, user_id=user_id, role=role)

    def remove(self, *, user_id: UUID, by: Person, now: datetime) -> None:
        """Remove a member.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: the person may not do it; only owners remove owners.
            LastOwner: the team would have no owner.
        """
        self.require("manage_members", by, now)
        if user_id not in self.members:
            return
        self._require_manageable(user_id, by, now)
        self._require_another_owner(user_id)
        self.end_offer_of(user_id, now=now)
        self.trigger_event(self.MemberRemoved, now=now, user_id=user_id)

    def leave(self, *, by: Person, now: datetime) -> None:
        """End the actor's membership.

        Raises:
            NotFound, TeamIsDissolved: the actor is not a member, or the team was dissolved.
            LastOwner: the team would have no owner.
        """
        self.require("leave", by, now)
        self._require_another_owner(by.user_id)
        self.end_offer_of(by.user_id, now=now)
        self.trigger_event(self.MemberLeft, now=now, user_id=by.user_id)

    def accepts_request_from(self, domain: str) -> bool:
        """Return whether a user with an address of the domain may ask to join."""
        if self.erased or self.dissolved_at is not None or self.dissolution_due is not None:
            return False
        return self.join == "by_request" or (self.join == "by_request_from_domains" and self.has_proved(domain))

    def has_proved(self, domain: str) -> bool:
        """Return whether the domain is the team's."""
        return any(each["proved"] and each["name"] == domain for each in self.domains.values())

    def holds(self, domain: str) -> bool:
        """Return whether the domain is the team's, and its record, if it needs one, was there at the last look."""
        proved = [each for each in self.domains.values() if each["proved"] and each["name"] == domain]
        return any(each["missing_since"] is None for each in proved)

    def give_up_domain(self, domain_id: UUID, *, now: datetime) -> None:
        """Remove a domain that the team has."""
        domain = self.domains[domain_id]
        self.trigger_event(
            self.DomainRemoved, now=now, domain_id=domain_id, name=domain["name"], proved=domain["proved"]
        )

    def seats_taken(self, now: datetime) -> int:
        """Return the number of members and open invitations."""
        return len(self.members) + sum(until > now for until in self.invited_until.values())

    def close_invitation(self, address_id: UUID) -> None:
        """Remove an invitation. Only events call this."""
        self.invited.pop(address_id, None)
        self.invited_until.pop(address_id, None)

    def end_offer_of(self, user_id: UUID, *, now: datetime) -> None:
        """End the offer of the ownership that a member has made or got."""
        if user_id in (self.offered_by, self.offered_to):
            self.trigger_event(self.OwnershipOfferWithdrawn, now=now)

    def is_open(self, address_id: UUID, now: datetime) -> bool:
        """Return whether the address is invited, and the invitation has not expired."""
        return address_id in self.invited and self.invited_until[address_id] > now

    def _require_manageable(self, user_id: UUID, by: Person, now: datetime) -> Role:
        """Return the role of a member whom the actor may manage: owners only by owners."""
        self.require("manage_members", by, now)
        role = self.require_member(user_id)
        if role == "owner":
            self.require("manage_owners", by, now)
        return role

    def require_member(self, user_id: UUID) -> Role:
        """Return the role of a member.

        Raises:
            NoSuchMember: the user is not a member.
        """
        if user_id not in self.members:
            raise NoSuchMember("That user is not a member; invite them first.")
        return self.members[user_id]

    def _require_another_owner(self, user_id: UUID) -> None:
        if [member for member, role in self.members.items() if role == "owner"] == [user_id]:
            raise LastOwner("A team needs an owner; make another member an owner first.")
