"""Members of teams. Only this file writes the table; views of teams and `visibility.py` read it."""

from collections.abc import Iterator
from uuid import UUID

from application.ports import Actor, ReadStore, RecordedEvent, StoredEvents
from application.teams.team import MemberView
from domain.teams.team import Team
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, reads
from projections.names import with_names
from projections.visibility import team_role

MEMBERS = f"""
SELECT {columns_of(MemberView, without={"user_name"})}
FROM read.team_roster WHERE team_id = %s ORDER BY joined_at, user_id
"""  # noqa: S608 - columns of our own view


class TeamRoster(ReadModel):
    """The members of all teams, with their roles."""

    version = 3
    roots = (Team,)
    personal = PersonalData(
        "ids of members", "erasures end memberships; those of a damaged team stay, shown by no query"
    )
    table = Table(
        "team_roster",
        key={"team_id": "uuid", "user_id": "uuid"},
        columns={"role": "text NOT NULL", "joined_at": "timestamptz NOT NULL", "joined_version": "bigint NOT NULL"},
        indexes=["(user_id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        team_id = event.stream_id
        match event.data:
            case Team.Founded(owner_id=user_id, timestamp=moment):
                yield self.table.put(team_id, user_id, role="owner", joined_at=moment, joined_version=event.version)
            case Team.InvitationAccepted(user_id=user_id, role=role, timestamp=moment):
                yield self.table.put(team_id, user_id, role=role, joined_at=moment, joined_version=event.version)
            case Team.MemberJoined(user_id=user_id, role=role, timestamp=moment):
                yield self.table.put(team_id, user_id, role=role, joined_at=moment, joined_version=event.version)
            case Team.MemberRoleChanged(user_id=user_id, role=role):
                yield self.table.set(team_id, user_id, role=role)
            case Team.OwnershipTransferred(former_owner_id=former, owner_id=owner):
                yield self.table.set(team_id, former, role="admin")
                yield self.table.set(team_id, owner, role="owner")
            case Team.MemberRemoved(user_id=user_id) | Team.MemberLeft(user_id=user_id):
                yield self.table.drop(team_id, user_id)


@reads(TeamRoster, "team", "user_profile")
async def members(
    rows: ReadStore, actor: Actor, team_id: UUID, *, names: StoredEvents | None = None
) -> list[MemberView] | None:
    """Return the team's members; None: the team does not exist for the actor.

    `names`: where to read their names, if these are wanted.

    Raises:
        RoleTooLow: the actor is a guest.
    """
    if await team_role(rows, actor, team_id, "list_members") is None:
        return None
    found = await rows.all(MemberView, MEMBERS, [team_id])
    return await with_names(rows, names, found, ids="user_id", names="user_name")
