"""Join requests: a user asks to become a member of a team, and an admin answers.

Each user has one stream for each team id that they ask for, whether there is such a team or not; a slug that no team
has stands for an id that looks like a team's. The team sees a request only if its settings allow it. So asking
tells nothing about teams. See `domain/teams/decisions/0002-join-requests.md`.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid5

from domain.access import Person, require_verified
from domain.kernel import AboutUser, FirstEvent, Party, Root
from domain.requests import require_may_ask_again
from domain.teams import refusals
from domain.teams.joining import add_member, has_seat
from domain.teams.roles import InvitedRole
from domain.teams.team import Team
from domain.text import usable_message

JoinState = Literal["open", "accepted", "declined", "withdrawn"]


class JoinRequest(Root):
    """What one user asks of one team. `shown`: the team sees the request."""

    TOPIC = "join_request"

    class Asked(FirstEvent):
        """`asked_for`: the slug or the id, as the user wrote it."""

        TOPIC = "join_request.asked"
        team_id: UUID
        user_id: UUID
        asked_for: AboutUser[str]
        message: AboutUser[str | None] = None

        def apply(self, aggregate: "JoinRequest") -> None:
            aggregate.team_id = self.team_id
            aggregate.user_id = self.user_id
            aggregate.begin()

    class AskedAgain(Root.Event):
        TOPIC = "join_request.asked_again"
        team_id: UUID
        user_id: UUID
        asked_for: AboutUser[str]
        message: AboutUser[str | None] = None

        def apply(self, aggregate: "JoinRequest") -> None:
            aggregate.begin()

    class Shown(Root.Event):
        """The team allows the request, and its admins see it from now on."""

        TOPIC = "join_request.shown"
        team_id: UUID

        def apply(self, aggregate: "JoinRequest") -> None:
            aggregate.shown = True

    class Withdrawn(Root.Event):
        TOPIC = "join_request.withdrawn"

        def apply(self, aggregate: "JoinRequest") -> None:
            aggregate.state = "withdrawn"

    class Accepted(Root.Event):
        """The team has the member. `answered_by`: None if the settings have let them in."""

        TOPIC = "join_request.accepted"
        team_id: UUID
        user_id: UUID
        role: InvitedRole
        answered_by: UUID | None = None

        def apply(self, aggregate: "JoinRequest") -> None:
            aggregate.state = "accepted"
            aggregate.answered_at = self.timestamp

    class Declined(Root.Event):
        TOPIC = "join_request.declined"
        team_id: UUID
        user_id: UUID
        answered_by: UUID

        def apply(self, aggregate: "JoinRequest") -> None:
            aggregate.state = "declined"
            aggregate.answered_at = self.timestamp

    team_id: UUID
    user_id: UUID
    state: JoinState
    shown: bool
    answered_at: datetime | None

    @staticmethod
    def id_of(team_id: UUID, user_id: UUID) -> UUID:
        """Return the id of a user's request to a team: there is at most one."""
        return uuid5(team_id, f"join_request {user_id}")

    @classmethod
    def ask(cls, *, team_id: UUID, asked_for: str, message: str | None, by: Person, now: datetime) -> "JoinRequest":
        """Ask for the first time.

        Raises:
            AddressNotVerified: the person's address is not verified.
            UnusableText: the message is not valid.
        """
        require_verified(by)
        return cls.start_stream(
            cls.Asked,
            id=cls.id_of(team_id, by.user_id),
            tenant=Party("user", by.user_id),
            now=now,
            team_id=team_id,
            user_id=by.user_id,
            asked_for=asked_for,
            message=usable_message(message),
        )

    def ask_again(self, *, asked_for: str, message: str | None, by: Person, now: datetime) -> None:
        """Ask once more. It is always an event, so that nothing shows whether the team saw the one before.

        Raises:
            AddressNotVerified: the person's address is not verified.
            UnusableText: the message is not valid.
            DeclinedRecently: the last request was declined a short time ago.
        """
        require_verified(by)
        message = usable_message(message)
        require_may_ask_again(self.state, self.answered_at, now)
        self.trigger_event(
            self.AskedAgain, now=now, team_id=self.team_id, user_id=self.user_id, asked_for=asked_for, message=message
        )

    def show(self, team: Team, *, address_id: UUID, domain: str, now: datetime) -> None:
        """Show the request to the team, if its settings allow that; or make the user a member at once, if they say so.

        `address_id`, `domain`: of the user's verified address. No actor: a policy asks for it. Without a free
        seat, admins see the request, and also that of a user whom they have removed.
        """
        is_welcome = team.accepts_request_from(domain) and self.user_id not in team.members
        if self.state != "open" or self.shown or not is_welcome:
            return
        may_join = team.holds(domain) and self.user_id not in team.removed
        role = team.domain_role if may_join else None
        if role is None or not has_seat(team, address_id, now):
            self.trigger_event(self.Shown, now=now, team_id=team.id)
        else:
            add_member(team, user_id=self.user_id, address_id=address_id, role=role, now=now)
            self._accepted(role, None, now)

    def withdraw(self, *, now: datetime) -> None:
        """Withdraw the request. One that is not open causes no event."""
        if self.state == "open":
            self.trigger_event(self.Withdrawn, now=now)

    def accept(self, team: Team, *, address_id: UUID, role: InvitedRole, by: Person, now: datetime) -> None:
        """Make the user a member. A second time there is no event.

        `address_id`: the user's verified address. An invitation of it ends.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the person may not do it.
            AddressNotVerified: their own address is not verified.
            NoSuchJoinRequest: the request is not open, or the team does not see it.
            AlreadyAMember, TeamIsFull: a rule forbids it.
        """
        team.require("invite", by, now)
        require_verified(by)
        if self.state == "accepted" and self.user_id in team.members:
            return
        self._require_shown()
        add_member(team, user_id=self.user_id, address_id=address_id, role=role, now=now)
        self._accepted(role, by.user_id, now)

    def decline(self, team: Team, *, by: Person, now: datetime) -> None:
        """Decline the request. A second time there is no event.

        Raises:
            NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the person may not do it.
            NoSuchJoinRequest: the request is not open, or the team does not see it.
        """
        team.require("invite", by, now)
        if self.state == "declined":
            return
        self._require_shown()
        self.trigger_event(self.Declined, now=now, team_id=team.id, user_id=self.user_id, answered_by=by.user_id)

    def begin(self) -> None:
        """Make it an open request, which the team does not see yet. Only events call this."""
        self.state, self.shown, self.answered_at = "open", False, None

    def _accepted(self, role: InvitedRole, by: UUID | None, now: datetime) -> None:
        values = {"team_id": self.team_id, "user_id": self.user_id, "role": role, "answered_by": by}
        self.trigger_event(self.Accepted, now=now, **values)

    def _require_shown(self) -> None:
        if self.state != "open" or not self.shown:
            raise refusals.NoSuchJoinRequest("That user does not ask to join, or not any more.")
