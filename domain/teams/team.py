"""Teams work together on seats that are paid for: never more members than seats, never without an owner.

Roles: owners do everything, admins invite, rename and manage those who are not owners, members take part. An open
invitation holds a seat until it is answered, revoked or expired, so that accepting one does not fail for want of it.
To those who are neither members nor invited a team does not exist.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from domain.access import Person, RoleTooLow
from domain.kernel import AboutAddress, Claim, Conflict, FirstEvent, Invalid, NotFound, Personal, Root
from domain.text import email_address, single_line

Role = Literal["owner", "admin", "member"]
InvitedRole = Literal["admin", "member"]

NAME_LENGTH = 100
SLUG_LENGTH = 40
FREE_SEATS = 5
INVITATION_LASTS = timedelta(days=14)

_RANK: dict[Role, int] = {"owner": 3, "admin": 2, "member": 1}
_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9])*")


class UnusableSlug(Invalid):
    """A slug will not do as a part of an address."""


class TeamIsFull(Conflict):
    """Every seat is taken, or held by an open invitation."""


class TeamIsDissolved(Conflict):
    """The team is no more."""


class LastOwner(Conflict):
    """A team keeps an owner."""


class AlreadyAMember(Conflict):
    """That person is in the team."""


class InvitationExpired(Conflict):
    """The invitation was not answered in time."""


class NoSuchMember(NotFound):
    """That user is not in the team."""


class Team(Root):
    """Who is in, who is invited, and what they may do."""

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
        """One owner made another member an owner, and became an admin."""

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

    name: str
    slug: str
    seats: int
    members: dict[UUID, Role]
    invited: dict[UUID, InvitedRole]
    invited_until: dict[UUID, datetime]
    dissolved_at: datetime | None

    @classmethod
    def found(cls, *, id: UUID, name: str, slug: str, owner_id: UUID, now: datetime, seats: int = FREE_SEATS) -> "Team":
        """A team of its owner alone.

        Raises:
            UnusableText, UnusableSlug: the name or the slug will not do.
        """
        name, slug = usable_name(name), usable_slug(slug)
        return cls.begin(cls.Founded, id=id, now=now, name=name, slug=slug, owner_id=owner_id, seats=seats)

    def require(self, least: Role, person: Person) -> Role:
        """The person's role, which is `least` or a higher one, in a team that still is.

        Raises:
            NotFound: the person is no member.
            RoleTooLow: their role is a lower one.
            TeamIsDissolved: the team is no more.
        """
        role = self.members.get(person.user_id)
        if role is None:
            raise NotFound("There is no such team.")
        if _RANK[role] < _RANK[least]:
            raise RoleTooLow(f"This takes the role {least}, and yours is {role}; ask an owner.")
        if self.dissolved_at is not None:
            raise TeamIsDissolved("This team was dissolved; found another.")
        return role

    def rename(self, name: str, *, by: Person, now: datetime) -> None:
        """Take another name; the slug stays.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: it takes an admin.
            UnusableText: the name will not do.
        """
        self.require("admin", by)
        name = usable_name(name)
        if name != self.name:
            self.trigger_event(self.Renamed, now=now, name=name)

    def invite(self, *, address_id: UUID, email: str, role: InvitedRole, by: Person, now: datetime) -> None:
        """Hold a seat for the holder of an email address, who need not be a user yet.

        Inviting again with another role, or after the invitation expired, makes a new one.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: it takes an admin.
            UnusableEmail: that is no address.
            AlreadyAMember: it is the actor's own address.
            TeamIsFull: no seat is free.
        """
        self.require("admin", by)
        email = email_address(email)
        if address_id == by.address_id:
            raise AlreadyAMember("That is your own address; invite somebody else's.")
        is_open = self._is_open(address_id, now)
        if is_open and self.invited[address_id] == role:
            return
        if self.seats_taken(now) - is_open >= self.seats:
            raise TeamIsFull(f"All {self.seats} seats are taken or held by invitations; free one or add seats.")
        expires_at = now + INVITATION_LASTS
        self.trigger_event(
            self.MemberInvited, now=now, address_id=address_id, email=email, role=role, expires_at=expires_at
        )

    def accept(self, *, by: Person, now: datetime) -> None:
        """Become a member, as invited.

        Raises:
            NotFound: the actor's address is not invited.
            TeamIsDissolved: the team is no more.
            AlreadyAMember: the actor is in by another address.
            InvitationExpired: the invitation was not answered in time.
            TeamIsFull: no seat is free (an invitation held one, unless clocks went apart).
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
        """Turn the invitation down.

        Raises:
            NotFound: the actor's address is not invited.
            TeamIsDissolved: the team is no more.
        """
        self.trigger_event(self.InvitationDeclined, now=now, address_id=self._invitation_of(by))

    def revoke_invitation(self, *, address_id: UUID, by: Person, now: datetime) -> None:
        """Take an invitation back.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: it takes an admin.
        """
        self.require("admin", by)
        if address_id in self.invited:
            self.trigger_event(self.InvitationRevoked, now=now, address_id=address_id)

    def change_role(self, *, user_id: UUID, role: Role, by: Person, now: datetime) -> None:
        """Give a member another role.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: it takes an admin; an owner, to make or unmake owners.
            NoSuchMember: the user is no member.
            LastOwner: the team would be without an owner.
        """
        former = self._managed(user_id, by)
        if role == former:
            return
        if role == "owner":
            self.require("owner", by)
        self._require_another_owner(user_id)
        self.trigger_event(self.MemberRoleChanged, now=now, user_id=user_id, role=role)

    def remove(self, *, user_id: UUID, by: Person, now: datetime) -> None:
        """Put a member out.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: it takes an admin; an owner, to put out an owner.
            LastOwner: the team would be without an owner.
        """
        self.require("admin", by)
        if user_id not in self.members:
            return
        self._managed(user_id, by)
        self._require_another_owner(user_id)
        self.trigger_event(self.MemberRemoved, now=now, user_id=user_id)

    def leave(self, *, by: Person, now: datetime) -> None:
        """Go.

        Raises:
            NotFound, TeamIsDissolved: the actor is no member of a team that still is.
            LastOwner: the team would be without an owner.
        """
        self.require("member", by)
        self._require_another_owner(by.user_id)
        self.trigger_event(self.MemberLeft, now=now, user_id=by.user_id)

    def transfer_ownership(self, *, user_id: UUID, by: Person, now: datetime) -> None:
        """Make a member an owner in the actor's place, who becomes an admin.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved: it takes an owner.
            NoSuchMember: the user is no member.
        """
        self.require("owner", by)
        self._require_member(user_id)
        if user_id != by.user_id:
            self.trigger_event(self.OwnershipTransferred, now=now, former_owner_id=by.user_id, owner_id=user_id)

    def dissolve(self, *, by: Person, now: datetime) -> None:
        """End the team; its slug is free again.

        Raises:
            NotFound, RoleTooLow: it takes an owner.
        """
        if self.dissolved_at is not None and self.members.get(by.user_id) == "owner":
            return
        self.require("owner", by)
        self.trigger_event(self.Dissolved, now=now, slug=self.slug)

    def seats_taken(self, now: datetime) -> int:
        """Members, and invitations that are open."""
        return len(self.members) + sum(until > now for until in self.invited_until.values())

    def close_invitation(self, address_id: UUID) -> None:
        """Forget an invitation. For events alone."""
        self.invited.pop(address_id, None)
        self.invited_until.pop(address_id, None)

    def _is_open(self, address_id: UUID, now: datetime) -> bool:
        return address_id in self.invited and self.invited_until[address_id] > now

    def _invitation_of(self, person: Person) -> UUID:
        if person.address_id is None or person.address_id not in self.invited:
            raise NotFound("There is no such team.")
        if self.dissolved_at is not None:
            raise TeamIsDissolved("This team was dissolved; the invitation is void.")
        return person.address_id

    def _managed(self, user_id: UUID, by: Person) -> Role:
        """The role of a member whom the actor may manage: owners by owners, all others by admins too."""
        self.require("admin", by)
        role = self._require_member(user_id)
        if role == "owner":
            self.require("owner", by)
        return role

    def _require_member(self, user_id: UUID) -> Role:
        if user_id not in self.members:
            raise NoSuchMember("That user is not a member; invite them first.")
        return self.members[user_id]

    def _require_another_owner(self, user_id: UUID) -> None:
        if [member for member, role in self.members.items() if role == "owner"] == [user_id]:
            raise LastOwner("A team keeps an owner; make somebody else an owner first.")


def slug_claim(slug: str) -> Claim:
    """The claim to a slug."""
    return Claim("team_slug", slug)


def usable_name(name: str) -> str:
    """A team's name as it is kept.

    Raises:
        UnusableText: as `domain.text.single_line`.
    """
    return single_line(name, "A team's name", NAME_LENGTH)


def usable_slug(slug: str) -> str:
    """A slug as it is kept.

    Raises:
        UnusableSlug: it is not lower-case letters, digits and single hyphens between them, 3 to 40 in all.
    """
    if not 3 <= len(slug) <= SLUG_LENGTH or not _SLUG.fullmatch(slug):
        raise UnusableSlug(
            f"A slug has 3 to {SLUG_LENGTH} lower-case letters and digits, with single hyphens between them."
        )
    return slug
