"""Teams: groups of users on paid seats. A team never has more members than seats, and never lacks an owner.

Roles and their actions are in `domain/access.py`. An open invitation holds a seat until it is answered, revoked or
expired, so that accepting it does not fail for lack of a seat.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from domain.access import TEAM, Person, require_verified
from domain.kernel import AboutAddress, Claim, FirstEvent, NotFound, Party, Personal, Root
from domain.teams.naming import slug_claim, usable_name, usable_slug
from domain.teams.refusals import (
    AlreadyAMember,
    InvitationExpired,
    LastOwner,
    NoSuchMember,
    TeamIsDissolved,
    TeamIsFull,
)
from domain.text import email_address

Role = Literal["owner", "admin", "member"]
InvitedRole = Literal["admin", "member"]

FREE_SEATS = 5
INVITATION_LIFETIME = timedelta(days=14)


class Team(Root):
    """Members and invited addresses, with their roles."""

    TOPIC = "team"

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
            aggregate.invited = {}
            aggregate.invited_until = {}
            aggregate.dissolved_at = None

    class Renamed(Root.Event):
        TOPIC = "team.renamed"
        name: Personal[str]

        def apply(self, aggregate: "Team") -> None:
            aggregate.name = self.name

    class MemberInvited(Root.Event):
        TOPIC = "team.member_invited"
        address_id: UUID
        email: AboutAddress[str]
        role: InvitedRole
        expires_at: datetime

        def apply(self, aggregate: "Team") -> None:
            aggregate.invited[self.address_id] = self.role
            aggregate.invited_until[self.address_id] = self.expires_at

    class InvitationAccepted(Root.Event):
        TOPIC = "team.invitation_accepted"
        address_id: UUID
        user_id: UUID
        role: InvitedRole

        def apply(self, aggregate: "Team") -> None:
            aggregate.close_invitation(self.address_id)
            aggregate.members[self.user_id] = self.role

    class InvitationDeclined(Root.Event):
        TOPIC = "team.invitation_declined"
        revokes = ("team_invitation",)
        address_id: UUID

        def apply(self, aggregate: "Team") -> None:
            aggregate.close_invitation(self.address_id)

    class InvitationRevoked(Root.Event):
        TOPIC = "team.invitation_revoked"
        revokes = ("team_invitation",)
        address_id: UUID

        def apply(self, aggregate: "Team") -> None:
            aggregate.close_invitation(self.address_id)

    class MemberRoleChanged(Root.Event):
        TOPIC = "team.member_role_changed"
        revokes = ("team_roster",)
        user_id: UUID
        role: Role

        def apply(self, aggregate: "Team") -> None:
            aggregate.members[self.user_id] = self.role

    class MemberRemoved(Root.Event):
        TOPIC = "team.member_removed"
        revokes = ("team_roster",)
        user_id: UUID

        def apply(self, aggregate: "Team") -> None:
            aggregate.members.pop(self.user_id, None)

    class MemberLeft(Root.Event):
        TOPIC = "team.member_left"
        revokes = ("team_roster",)
        user_id: UUID

        def apply(self, aggregate: "Team") -> None:
            aggregate.members.pop(self.user_id, None)

    class OwnershipTransferred(Root.Event):
        """An owner made another member an owner, and became an admin."""

        TOPIC = "team.ownership_transferred"
        revokes = ("team_roster",)
        former_owner_id: UUID
        owner_id: UUID

        def apply(self, aggregate: "Team") -> None:
            aggregate.members[self.former_owner_id] = "admin"
            aggregate.members[self.owner_id] = "owner"

    class Dissolved(Root.Event):
        TOPIC = "team.dissolved"
        revokes = ("team",)
        slug: Personal[str]

        def releases(self) -> Iterable[Claim]:
            return [slug_claim(self.slug)]

        def apply(self, aggregate: "Team") -> None:
            aggregate.dissolved_at = self.timestamp

    class Erased(Root.Event):
        TOPIC = "team.erased"
        revokes = ("team",)
        erases = True

        def apply(self, aggregate: "Team") -> None:
            aggregate.erased = True
            aggregate.members, aggregate.invited, aggregate.invited_until = {}, {}, {}
            aggregate.dissolved_at = self.timestamp

    name: str
    slug: str
    seats: int
    members: dict[UUID, Role]
    invited: dict[UUID, InvitedRole]
    invited_until: dict[UUID, datetime]
    dissolved_at: datetime | None

    @classmethod
    def found(cls, *, id: UUID, name: str, slug: str, owner_id: UUID, now: datetime, seats: int = FREE_SEATS) -> "Team":
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
        if role is None and person.address_id is not None and self._is_open(person.address_id, now):
            return "invited"
        return role

    def require(self, action: str, person: Person, now: datetime) -> None:
        """Refuse an action (`domain.access.TEAM`) that the person's role is not enough for, or any on a dissolved team.

        Raises:
            NotFound: the person is no member.
            RoleTooLow: their role is lower than the action takes.
            TeamIsDissolved: the team is dissolved.
        """
        TEAM.require(action, self.role_of(person, now))
        if self.dissolved_at is not None:
            raise TeamIsDissolved("This team was dissolved; found a new one.")

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

    def invite(
        self,
        *,
        address_id: UUID,
        email: str,
        role: InvitedRole,
        by: Person,
        now: datetime,
        user_id: UUID | None = None,
    ) -> None:
        """Hold a seat for the holder of an email address, who may register later. `user_id`: whose account has it now.

        A second invitation with another role, or after the first expired, replaces it.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: the person may not do it.
            AddressNotVerified: their own address is not verified.
            UnusableEmail: the text is not an address.
            AlreadyAMember: it is the address of a member, who could not accept.
            TeamIsFull: no seat is free.
        """
        self.require("invite", by, now)
        require_verified(by)
        email = email_address(email)
        if address_id == by.address_id:
            raise AlreadyAMember("That is your own address; invite another one.")
        if user_id in self.members:
            raise AlreadyAMember("The holder of that address is a member already; change their role instead.")
        is_open = self._is_open(address_id, now)
        if is_open and self.invited[address_id] == role:
            return
        if self.seats_taken(now) - is_open >= self.seats:
            raise TeamIsFull(f"All {self.seats} seats are taken or held by invitations; free one or add seats.")
        expires_at = now + INVITATION_LIFETIME
        self.trigger_event(
            self.MemberInvited, now=now, address_id=address_id, email=email, role=role, expires_at=expires_at
        )

    def accept(self, *, by: Person, now: datetime) -> None:
        """Make the invited person a member, with the role of the invitation.

        Raises:
            NotFound: the actor's address is not invited.
            TeamIsDissolved: the team was dissolved.
            AlreadyAMember: the actor became a member through another address.
            InvitationExpired: the invitation has expired.
            TeamIsFull: no seat is free. The invitation held one, so only wrong clocks lead to this.
        """
        if by.user_id in self.members and by.address_id not in self.invited:
            return
        address_id = self._invitation_of(by)
        if by.user_id in self.members:
            raise AlreadyAMember("You are a member already; decline the invitation.")
        if not self._is_open(address_id, now):
            raise InvitationExpired("This invitation has expired; ask for a new one.")
        if len(self.members) >= self.seats:
            raise TeamIsFull("All seats are taken; ask an owner to add seats.")
        role = self.invited[address_id]
        self.trigger_event(self.InvitationAccepted, now=now, address_id=address_id, user_id=by.user_id, role=role)

    def decline(self, *, by: Person, now: datetime) -> None:
        """Decline the invitation.

        Raises:
            NotFound: the actor's address is not invited.
            TeamIsDissolved: the team was dissolved.
        """
        self.trigger_event(self.InvitationDeclined, now=now, address_id=self._invitation_of(by))

    def revoke_invitation(self, *, address_id: UUID, by: Person, now: datetime) -> None:
        """Revoke an invitation.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: the person may not do it.
        """
        self.require("revoke_invitation", by, now)
        if address_id in self.invited:
            self.trigger_event(self.InvitationRevoked, now=now, address_id=address_id)

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
        self.trigger_event(self.MemberRemoved, now=now, user_id=user_id)

    def leave(self, *, by: Person, now: datetime) -> None:
        """End the actor's membership.

        Raises:
            NotFound, TeamIsDissolved: the actor is not a member, or the team was dissolved.
            LastOwner: the team would have no owner.
        """
        self.require("leave", by, now)
        self._require_another_owner(by.user_id)
        self.trigger_event(self.MemberLeft, now=now, user_id=by.user_id)

    def transfer_ownership(self, *, user_id: UUID, by: Person, now: datetime) -> None:
        """Make a member an owner, and the actor an admin.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: the actor is not an owner, or the team was dissolved.
            NoSuchMember: the user is not a member.
        """
        self.require("transfer", by, now)
        self._require_member(user_id)
        if user_id != by.user_id:
            self.trigger_event(self.OwnershipTransferred, now=now, former_owner_id=by.user_id, owner_id=user_id)

    def dissolve(self, *, by: Person, now: datetime) -> None:
        """Dissolve the team; its slug is free again.

        Raises:
            NotFound, RoleTooLow: the actor is not an owner.
        """
        if self.dissolved_at is not None and self.members.get(by.user_id) == "owner":
            return
        self.require("dissolve", by, now)
        self.trigger_event(self.Dissolved, now=now, slug=self.slug)

    def seats_taken(self, now: datetime) -> int:
        """Return the number of members and open invitations."""
        return len(self.members) + sum(until > now for until in self.invited_until.values())

    def close_invitation(self, address_id: UUID) -> None:
        """Remove an invitation. Only events call this."""
        self.invited.pop(address_id, None)
        self.invited_until.pop(address_id, None)

    def _is_open(self, address_id: UUID, now: datetime) -> bool:
        return address_id in self.invited and self.invited_until[address_id] > now

    def _invitation_of(self, person: Person) -> UUID:
        if person.address_id is None or person.address_id not in self.invited:
            raise NotFound("There is no such team.")
        if self.dissolved_at is not None:
            raise TeamIsDissolved("This team was dissolved; the invitation is no longer valid.")
        return person.address_id

    def _require_manageable(self, user_id: UUID, by: Person, now: datetime) -> Role:
        """Return the role of a member whom the actor may manage: owners only by owners."""
        self.require("manage_members", by, now)
        role = self._require_member(user_id)
        if role == "owner":
            self.require("manage_owners", by, now)
        return role

    def _require_member(self, user_id: UUID) -> Role:
        if user_id not in self.members:
            raise NoSuchMember("That user is not a member; invite them first.")
        return self.members[user_id]

    def _require_another_owner(self, user_id: UUID) -> None:
        if [member for member, role in self.members.items() if role == "owner"] == [user_id]:
            raise LastOwner("A team needs an owner; make another member an owner first.")
