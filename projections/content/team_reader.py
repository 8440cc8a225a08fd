"""Who may see what belongs to a team, or could at some time. Only this file writes the table.

The roster forgets members who are gone; clients that keep a copy of their list must learn that documents are gone, too.
"""

from collections.abc import Iterator
from uuid import UUID

from application.ports import RecordedEvent
from domain.content.team_roles import ROLE_BY_TEAM_ROLE
from domain.teams.roles import Role
from domain.teams.team import Team
from projections.kernel import Change, PersonalData, ReadModel, Table


class TeamReaders(ReadModel):
    """All members whose role ever gave them one on what belongs to the team; `until`: the position that ended that.

    The row of the team itself, with its own id, changes with the roles of all its members.
    """

    version = 1
    roots = (Team,)
    personal = PersonalData("ids of members", "stays: ids only")
    table = Table(
        "team_reader",
        key={"team_id": "uuid", "reader_id": "uuid"},
        columns={"until": "bigint"},
        indexes=["(reader_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        team_id = event.stream_id
        match event.data:
            case Team.Founded(owner_id=owner_id):
                yield self.table.put(team_id, team_id, until=None)
                yield self._member(event, owner_id, "owner")
            case Team.InvitationAccepted(user_id=user_id, role=role) | Team.MemberJoined(user_id=user_id, role=role):
                yield self._member(event, user_id, role)
            case Team.MemberRoleChanged(user_id=user_id, role=new_role):
                yield self._member(event, user_id, new_role)
            case Team.OwnershipTransferred(former_owner_id=former_id, owner_id=owner_id):
                yield self._member(event, former_id, "admin")
                yield self._member(event, owner_id, "owner")
            case Team.MemberRemoved(user_id=user_id) | Team.MemberLeft(user_id=user_id):
                yield self._member(event, user_id, None)
            case Team.DissolutionRequested() | Team.DissolutionWithdrawn() | Team.Dissolved():
                yield self.table.set(team_id, team_id)

    def _member(self, event: RecordedEvent, user_id: UUID, role: Role | None) -> Change:
        """Return the change by a new role; None: the user is no member any more."""
        if role is not None and ROLE_BY_TEAM_ROLE[role] is not None:
            return self.table.put(event.stream_id, user_id, until=None)
        return self.table.set(event.stream_id, user_id, until=lambda row: row["until"] or event.position)
