"""Settings of teams. Only this file writes and reads the table."""

from collections.abc import Iterator
from uuid import UUID

from application.ports import Actor, ReadStore, RecordedEvent
from application.teams.settings import TeamSettings
from domain.teams.team import Team
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, reads
from projections.visibility import team_role


class TeamSettingsTable(ReadModel):
    """The settings of all teams."""

    version = 1
    roots = (Team,)
    personal = PersonalData("ids of teams", "the event team.erased drops the row")
    table = Table(
        "team_settings",
        key={"id": "uuid"},
        columns={"join": "text NOT NULL", "domain_role": "text", "version": "bigint NOT NULL"},
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Team.Founded():
                yield self.table.put(event.stream_id, join="invited_only", domain_role=None, version=event.version)
            case Team.SettingsChanged(join=join, domain_role=domain_role):
                yield self.table.set(event.stream_id, join=join, domain_role=domain_role, version=event.version)
            case Team.Erased():
                yield self.table.drop(event.stream_id)


SETTINGS = f"SELECT {columns_of(TeamSettings, 's')} FROM read.team_settings s WHERE s.id = %s"  # noqa: S608


@reads(TeamSettingsTable, "team", "team_roster")
async def team_settings(rows: ReadStore, actor: Actor, team_id: UUID) -> TeamSettings | None:
    """Return the settings of a team; None: it does not exist for the actor.

    Raises:
        RoleTooLow: the actor is no admin.
    """
    if await team_role(rows, actor, team_id, "read_settings") is None:
        return None
    return await rows.one(TeamSettings, SETTINGS, [team_id])
