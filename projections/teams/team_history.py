"""The history of a team, for its admins: events of its stream, and reads of auditors.

`team_activity.py` is the list for people, with members and roles; this one says who did it by which request.
"""

from uuid import UUID

from application.ports import Actor, EventStore, HistoryFilter, ReadStore
from projections.audit.audit_read import AuditReads
from projections.history import HistoryEntry, history_of
from projections.kernel import reads
from projections.page import Page
from projections.visibility import TEAM_MODELS, team_role


@reads(AuditReads, *TEAM_MODELS)
async def team_history(
    rows: ReadStore,
    events: EventStore,
    actor: Actor,
    team_id: UUID,
    *,
    wanted: HistoryFilter,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[HistoryEntry] | None:
    """Return what happened to the team, the latest first; None: the team does not exist for the actor.

    Raises:
        RoleTooLow: the actor is no admin.
        BadCursor: the cursor is not one of this list.
    """
    if await team_role(rows, actor, team_id, "read_history") is None:
        return None
    return await history_of(rows, events, team_id, wanted, cursor, limit)
