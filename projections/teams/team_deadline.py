"""Teams in which something is due. It reads tables of others, and has none."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.ports import ReadStore
from projections.kernel import reads
from projections.visibility import HAS_DOCUMENTS

BATCH = 200

DUE = f"""
SELECT team_id AS id FROM read.team_invitation WHERE expires_at <= %(now)s AND team_id > %(after)s
UNION SELECT id FROM read.team WHERE dissolution_due <= %(now)s AND dissolved_at IS NULL AND id > %(after)s
UNION SELECT t.id FROM read.team t WHERE t.dissolved_at IS NOT NULL AND {HAS_DOCUMENTS} AND t.id > %(after)s
ORDER BY id LIMIT %(size)s
"""  # noqa: S608 - our own words only


@dataclass(frozen=True, slots=True)
class DueTeam:
    """A team in which something is due."""

    id: UUID


@reads("document", "team", "team_invitation")
async def due_teams(rows: ReadStore, now: datetime, after: UUID | None) -> list[UUID]:
    """Return the next teams in which something is due; see `TeamDeadlines`."""
    params = {"now": now, "after": after or UUID(int=0), "size": BATCH}
    return [team.id for team in await rows.all(DueTeam, DUE, params)]


class ReadTeamDeadlines:
    """Implements `application.ports.TeamDeadlines`."""

    def __init__(self, rows: ReadStore) -> None:
        self._rows = rows

    async def due(self, now: datetime, *, after: UUID | None) -> list[UUID]:
        """See `TeamDeadlines`."""
        return await due_teams(self._rows, now, after)
