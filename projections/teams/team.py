"""Current teams. Only this file writes and reads the table; its views count members and invitations."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, RecordedEvent
from application.teams.team import TeamView
from domain.teams.team import Team
from projections.columns import new_row
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor
from projections.teams.team_invitation import TeamInvitations
from projections.teams.team_roster import TeamRoster
from projections.visibility import is_invited, is_member

TEAM = """
SELECT t.id, t.name, t.slug, t.seats, r.members + i.invitations AS seats_taken, r.members,
    t.version, t.created_at, t.updated_at, t.dissolution_due, t.dissolved_at
FROM read.team t,
    LATERAL (SELECT count(*) AS members FROM read.team_roster WHERE team_id = t.id) r,
    LATERAL (SELECT count(*) AS invitations FROM read.team_invitation WHERE team_id = t.id AND expires_at > %(now)s) i
"""
VISIBLE = f"WHERE t.id = %(id)s AND ({is_member('t.id')} OR {is_invited('t.id')})"
OWN = f"""
WHERE {is_member("t.id")} AND t.dissolved_at IS NULL AND t.id > %(after)s
ORDER BY t.id LIMIT %(size)s
"""


class Teams(ReadModel):
    """All teams, also dissolved ones; an erased one has no row."""

    version = 3
    roots = (Team,)
    personal = PersonalData(
        "names and slugs of teams", "the event team.erased drops the row", frozenset({"name", "slug"})
    )
    table = Table(
        "team",
        key={"id": "uuid"},
        columns={
            "name": "text NOT NULL",
            "slug": "text NOT NULL",
            "seats": "bigint NOT NULL",
            "version": "bigint NOT NULL",
            "created_at": "timestamptz NOT NULL",
            "updated_at": "timestamptz NOT NULL",
            "dissolution_due": "timestamptz",
            "dissolved_at": "timestamptz",
        },
        indexes=["(dissolution_due)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        values: dict[str, Any] = {}
        match event.data:
            case Team.Founded():
                yield new_row(self.table, event, dissolution_due=None, dissolved_at=None)
                return
            case Team.Renamed(name=name):
                values = {"name": name}
            case Team.SlugChanged(slug=slug):
                values = {"slug": slug}
            case Team.SeatsChanged(seats=seats):
                values = {"seats": seats}
            case Team.DissolutionRequested(due=due):
                values = {"dissolution_due": due}
            case Team.DissolutionWithdrawn():
                values = {"dissolution_due": None}
            case Team.Dissolved(timestamp=moment):
                values = {"dissolved_at": moment}
            case Team.Erased():
                yield self.table.drop(event.stream_id)
                return
        yield self.table.set(event.stream_id, version=event.version, updated_at=moment_of(event), **values)


@reads(Teams, TeamRoster, TeamInvitations)
async def team(rows: ReadStore, actor: Actor, id: UUID, now: datetime) -> TeamView | None:
    """Return the team; None: it does not exist for the actor, who is neither a member nor invited."""
    params = {"id": id, "user_id": actor.user_id, "address_id": actor.address_id, "now": now}
    return await rows.one(TeamView, TEAM + VISIBLE, params)


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    after: UUID


@reads(Teams, TeamRoster, TeamInvitations)
async def teams(
    rows: ReadStore, actor: Actor, now: datetime, *, cursor: str | None = None, limit: int | None = None
) -> Page[TeamView]:
    """Return the actor's teams that are not dissolved, the oldest first.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size = bounded(limit)
    after = UUID(int=0) if cursor is None else read_cursor(cursor, _Cursor).after
    params = {"user_id": actor.user_id, "now": now, "after": after, "size": size + 1}
    return page_of(await rows.all(TeamView, TEAM + OWN, params), size, lambda last: _Cursor(last.id))
