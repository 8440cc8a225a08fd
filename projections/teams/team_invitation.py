"""Open invitations of teams. Only this file writes the table; views of teams and `visibility.py` read it.

An email address is in no row: a row has the version of the event that has it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, RecordedEvent, StoredEvents
from domain.teams.roles import InvitedRole
from domain.teams.team import Team
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor
from projections.visibility import invitations_held, team_role


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation as the admins of the team see it. It may have expired. `invited_by`: None in old history."""

    email: str
    role: InvitedRole
    invited_by: UUID | None
    invited_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OwnInvitation:
    """An invitation as the invited person sees it."""

    team_id: UUID
    team_name: str
    role: InvitedRole
    invited_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredInvitation:
    """A row: the version of the event that invited the address, and what it says."""

    invited_version: int
    role: InvitedRole
    invited_by: UUID | None
    invited_at: datetime
    expires_at: datetime


class TeamInvitations(ReadModel):
    """Invitations that are neither answered nor revoked. Expired ones are included until a schedule ends them."""

    version = 2
    roots = (Team,)
    personal = PersonalData(
        "ids of addresses", "erasures revoke invitations; those of a damaged team stay, shown by no query"
    )
    table = Table(
        "team_invitation",
        key={"team_id": "uuid", "address_id": "uuid"},
        columns={
            "invited_version": "bigint NOT NULL",
            "role": "text NOT NULL",
            "invited_by": "uuid",
            "invited_at": "timestamptz NOT NULL",
            "expires_at": "timestamptz NOT NULL",
        },
        indexes=["(address_id)", "(expires_at)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Team.MemberInvited(address_id=address_id, role=role, invited_by=invited_by, expires_at=expires_at):
                yield self.table.put(
                    event.stream_id,
                    address_id,
                    invited_version=event.version,
                    role=role,
                    invited_by=invited_by,
                    invited_at=moment_of(event),
                    expires_at=expires_at,
                )
            case (
                Team.InvitationAccepted(address_id=address_id)
                | Team.InvitationDeclined(address_id=address_id)
                | Team.InvitationRevoked(address_id=address_id)
                | Team.InvitationExpired(address_id=address_id)
            ):
                yield self.table.drop(event.stream_id, address_id)


INVITATIONS = f"""
SELECT {columns_of(StoredInvitation)} FROM read.team_invitation WHERE team_id = %s ORDER BY invited_at, address_id
"""  # noqa: S608 - columns of our own view

OWN = f"""
SELECT i.team_id, t.name AS team_name, i.role, i.invited_at, i.expires_at FROM ({invitations_held()}) i
JOIN read.team t ON t.id = i.team_id WHERE t.dissolved_at IS NULL AND t.id > %(after)s ORDER BY t.id LIMIT %(size)s
"""  # noqa: S608 - our own words only


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    after: UUID


@reads(TeamInvitations, "team", "team_roster")
async def invitations(
    rows: ReadStore, stored: StoredEvents, actor: Actor, team_id: UUID
) -> list[InvitationView] | None:
    """Return the open invitations of a team, the oldest first; None: the team does not exist for the actor.

    Raises:
        RoleTooLow: the actor is no admin.
    """
    role = await team_role(rows, actor, team_id, "list_invitations")
    if role is None:
        return None
    found = await rows.all(StoredInvitation, INVITATIONS, [team_id])
    events = await stored.events([(team_id, each.invited_version) for each in found])
    return [
        InvitationView(event.email, each.role, each.invited_by, each.invited_at, each.expires_at)
        for event, each in zip(events, found, strict=True)
        if isinstance(event, Team.MemberInvited)
    ]


@reads(TeamInvitations, "team")
async def own_invitations(
    rows: ReadStore, actor: Actor, now: datetime, *, cursor: str | None = None, limit: int | None = None
) -> Page[OwnInvitation]:
    """Return the open invitations of the actor's verified address, that of the oldest team first.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size = bounded(limit)
    after = UUID(int=0) if cursor is None else read_cursor(cursor, _Cursor).after
    params = {"address_id": actor.address_id, "now": now, "after": after, "size": size + 1}
    return page_of(await rows.all(OwnInvitation, OWN, params), size, lambda last: _Cursor(last.team_id))
