"""What happened in a team: read from the events of its stream, so there is no table."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from eventsourcing.utils import get_topic

from application.ports import Actor, EventStore, ReadStore, StoredEvents
from domain.teams.roles import Role
from domain.teams.team import Team
from projections.kernel import reads
from projections.names import with_names
from projections.page import Page, bounded, page_of, read_cursor
from projections.visibility import team_role


@dataclass(frozen=True, slots=True)
class TeamAction:
    """Something that happened in a team. `action`: the name of the event, such as `member_left`.

    `user_id`: the member whom it concerns, if it is one; `role`: the role that it gives. `user_name`: if it was asked
    for.
    """

    version: int
    action: str
    at: datetime
    user_id: UUID | None
    role: Role | None
    user_name: str | None = None


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    before: int


@reads("team", "team_roster", "user_profile")
async def team_activity(
    rows: ReadStore,
    events: EventStore,
    actor: Actor,
    team_id: UUID,
    *,
    cursor: str | None = None,
    limit: int | None = None,
    names: StoredEvents | None = None,
) -> Page[TeamAction] | None:
    """Return what happened in the team, the latest first; None: the team does not exist for the actor.

    `names`: where to read the names of members.

    Raises:
        RoleTooLow: the actor is no admin.
        BadCursor: the cursor is not one of this list.
    """
    if await team_role(rows, actor, team_id, "read_activity") is None:
        return None
    size, before = bounded(limit), None if cursor is None else read_cursor(cursor, _Cursor).before
    team = await events.load(Team, team_id)
    end = 1 if team is None else team.version + 1
    first = end if before is None else min(before, end)
    versions = range(first - 1, max(0, first - 2 - size), -1)
    found = await events.events([(team_id, version) for version in versions])
    page = page_of([_action(event) for event in found], size, lambda last: _Cursor(last.version))
    return Page(await with_names(rows, names, page.items, ids="user_id", names="user_name"), page.next)


def _action(event: Team.Event) -> TeamAction:
    return TeamAction(
        event.originator_version,
        get_topic(type(event)).partition(".")[2],
        event.timestamp,
        getattr(event, "user_id", None),
        getattr(event, "role", None),
    )
