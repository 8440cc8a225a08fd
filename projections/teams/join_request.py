"""Requests to join teams. Only this file writes and reads the table.

Neither messages nor names or addresses are in a row: it has the version of the event with the message.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, RecordedEvent, StoredEvents
from domain.kernel import Root
from domain.teams.join_request import JoinRequest, JoinState
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor
from projections.visibility import team_role


@dataclass(frozen=True, slots=True)
class JoinRequestView:
    """An open request: the user who asks to join, and why."""

    user_id: UUID
    name: str
    email: str
    message: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class OwnJoinRequest:
    """A request of the caller. `team`: the slug or id that they asked for; there may be no such team."""

    id: UUID
    team: str
    message: str | None
    state: JoinState
    asked_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredJoinRequest:
    """A row. `asked_version`: that of the event with the message."""

    id: UUID
    asked_version: int
    state: JoinState
    asked_at: datetime
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class JoinRequestOfUser:
    """A row, with the versions of the events that have the name and the address of its user."""

    id: UUID
    user_id: UUID
    asked_version: int
    asked_at: datetime
    email_version: int
    profile_version: int


class JoinRequests(ReadModel):
    """The request of each user to each team, also to teams that do not exist. `shown`: the team sees it."""

    version = 1
    roots = (JoinRequest,)
    personal = PersonalData("ids of users", "the rows stay; they are ids")
    table = Table(
        "join_request",
        key={"id": "uuid"},
        columns={
            "team_id": "uuid NOT NULL",
            "user_id": "uuid NOT NULL",
            "asked_version": "bigint NOT NULL",
            "state": "text NOT NULL",
            "shown": "boolean NOT NULL",
            "asked_at": "timestamptz NOT NULL",
            "answered_at": "timestamptz",
        },
        indexes=["(team_id, asked_at, id) WHERE state = 'open' AND shown", "(user_id, asked_at, id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case JoinRequest.Asked() | JoinRequest.AskedAgain() as asked:
                yield self.table.put(
                    event.stream_id,
                    team_id=asked.team_id,
                    user_id=asked.user_id,
                    asked_version=event.version,
                    state="open",
                    shown=False,
                    asked_at=moment_of(event),
                    answered_at=None,
                )
            case JoinRequest.Shown():
                yield self.table.set(event.stream_id, shown=True)
            case JoinRequest.Withdrawn():
                yield self.table.set(event.stream_id, state="withdrawn")
            case JoinRequest.Accepted(timestamp=moment):
                yield self.table.set(event.stream_id, state="accepted", answered_at=moment)
            case JoinRequest.Declined(timestamp=moment):
                yield self.table.set(event.stream_id, state="declined", answered_at=moment)


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    asked_at: datetime
    id: UUID


BEGINNING = _Cursor(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))

OPEN = """
SELECT r.id, r.user_id, r.asked_version, r.asked_at, p.email_version, p.profile_version
FROM read.join_request r JOIN read.user_profile p ON p.id = r.user_id AND NOT p.hidden AND NOT p.closed
WHERE r.team_id = %(team_id)s AND r.state = 'open' AND r.shown AND (r.asked_at, r.id) > (%(asked_at)s, %(id)s)
ORDER BY r.asked_at, r.id LIMIT %(size)s
"""

OWN = f"""
SELECT {columns_of(StoredJoinRequest)} FROM read.join_request
WHERE user_id = %(user_id)s AND (asked_at, id) > (%(asked_at)s, %(id)s) ORDER BY asked_at, id LIMIT %(size)s
"""  # noqa: S608 - columns of our own view


@reads(JoinRequests, "team", "team_roster", "user_profile")
async def join_requests(
    rows: ReadStore,
    stored: StoredEvents,
    actor: Actor,
    team_id: UUID,
    *,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[JoinRequestView] | None:
    """Return the open requests to join a team, the oldest first; None: it does not exist for the actor.

    Raises:
        RoleTooLow: the actor is no admin.
        BadCursor: the cursor is not one of this list.
    """
    if await team_role(rows, actor, team_id, "list_invitations") is None:
        return None
    size, after = bounded(limit), _after(cursor)
    params = {"team_id": team_id, "asked_at": after.asked_at, "id": after.id, "size": size + 1}
    found = await rows.all(JoinRequestOfUser, OPEN, params)
    page = page_of(found, size, lambda last: _Cursor(last.asked_at, last.id))
    places = [
        place
        for row in page.items
        for place in ((row.id, row.asked_version), (row.user_id, row.profile_version), (row.user_id, row.email_version))
    ]
    events = iter(await stored.events(places))
    shown = []
    for row in page.items:
        asked, profile, addressed = next(events), next(events), next(events)
        shown.append(
            JoinRequestView(row.user_id, vars(profile)["name"], vars(addressed)["email"], _message(asked), row.asked_at)
        )
    return Page(shown, page.next)


@reads(JoinRequests)
async def own_join_requests(
    rows: ReadStore, stored: StoredEvents, actor: Actor, *, cursor: str | None = None, limit: int | None = None
) -> Page[OwnJoinRequest]:
    """Return the actor's requests to join teams, the oldest first.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size, after = bounded(limit), _after(cursor)
    params = {"user_id": actor.user_id, "asked_at": after.asked_at, "id": after.id, "size": size + 1}
    found = await rows.all(StoredJoinRequest, OWN, params)
    page = page_of(found, size, lambda last: _Cursor(last.asked_at, last.id))
    events = await stored.events([(row.id, row.asked_version) for row in page.items])
    shown = [
        OwnJoinRequest(row.id, vars(asked)["asked_for"], _message(asked), row.state, row.asked_at, row.answered_at)
        for row, asked in zip(page.items, events, strict=True)
    ]
    return Page(shown, page.next)


def _after(cursor: str | None) -> _Cursor:
    """Return the item after which a page begins. Raises `BadCursor`."""
    return BEGINNING if cursor is None else read_cursor(cursor, _Cursor)


def _message(event: Root.Event) -> str | None:
    assert isinstance(event, JoinRequest.Asked | JoinRequest.AskedAgain)
    return event.message
