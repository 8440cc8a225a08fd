"""Requests for access to documents. Only this file writes and reads the table.

Neither messages nor names or addresses are in a row: it has the version of the event with the message.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, RecordedEvent, StoredEvents
from domain.content.access_request import AccessRequest, RequestState
from domain.content.roles import ShareRole
from domain.kernel import Root
from projections.columns import columns_of
from projections.content.document import DocumentDetails, own_document
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.page import Page, bounded, page_of, read_cursor
from projections.visibility import ROLE_MODELS


@dataclass(frozen=True, slots=True)
class AccessRequestView:
    """An open request: the user who asks, the role that they ask for, and why."""

    user_id: UUID
    name: str
    email: str
    role: ShareRole
    message: str | None
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class OwnAccessRequest:
    """A request of the caller. `given_role`: the role that it was accepted with. There may be no such document."""

    document_id: UUID
    role: ShareRole
    message: str | None
    state: RequestState
    asked_at: datetime
    answered_at: datetime | None
    given_role: ShareRole | None


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A row. `asked_version`: that of the event with the message."""

    id: UUID
    document_id: UUID
    user_id: UUID
    asked_version: int
    role: ShareRole
    state: RequestState
    asked_at: datetime
    answered_at: datetime | None
    given_role: ShareRole | None


@dataclass(frozen=True, slots=True)
class RequestOfUser:
    """A row, with the versions of the events that have the name and the address of its user."""

    id: UUID
    user_id: UUID
    asked_version: int
    role: ShareRole
    asked_at: datetime
    email_version: int
    profile_version: int


class AccessRequests(ReadModel):
    """The request of each user for each document, also of documents that do not exist."""

    version = 2
    roots = (AccessRequest,)
    personal = PersonalData("ids of users", "the rows stay; they are ids")
    table = Table(
        "access_request",
        key={"id": "uuid"},
        columns={
            "document_id": "uuid NOT NULL",
            "user_id": "uuid NOT NULL",
            "asked_version": "bigint NOT NULL",
            "role": "text NOT NULL",
            "state": "text NOT NULL",
            "asked_at": "timestamptz NOT NULL",
            "answered_at": "timestamptz",
            "given_role": "text",
        },
        indexes=["(document_id, asked_at, id) WHERE state = 'open'", "(user_id, asked_at, id)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case AccessRequest.Asked() | AccessRequest.AskedAgain() as asked:
                yield self.table.put(
                    event.stream_id,
                    document_id=asked.document_id,
                    user_id=asked.user_id,
                    asked_version=event.version,
                    role=asked.role,
                    state="open",
                    asked_at=moment_of(event),
                    answered_at=None,
                    given_role=None,
                )
            case AccessRequest.Withdrawn():
                yield self.table.set(event.stream_id, state="withdrawn")
            case AccessRequest.Accepted(role=role, timestamp=moment):
                yield self.table.set(event.stream_id, state="accepted", answered_at=moment, given_role=role)
            case AccessRequest.Declined(timestamp=moment):
                yield self.table.set(event.stream_id, state="declined", answered_at=moment)


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    asked_at: datetime
    id: UUID


BEGINNING = _Cursor(datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))

OPEN = """
SELECT r.id, r.user_id, r.asked_version, r.role, r.asked_at, p.email_version, p.profile_version
FROM read.access_request r JOIN read.user_profile p ON p.id = r.user_id AND NOT p.hidden AND NOT p.closed
WHERE r.document_id = %(document_id)s AND r.state = 'open' AND (r.asked_at, r.id) > (%(asked_at)s, %(id)s)
ORDER BY r.asked_at, r.id LIMIT %(size)s
"""

OWN = f"""
SELECT {columns_of(StoredRequest)} FROM read.access_request
WHERE user_id = %(user_id)s AND (asked_at, id) > (%(asked_at)s, %(id)s) ORDER BY asked_at, id LIMIT %(size)s
"""  # noqa: S608 - columns of our own view


@reads(AccessRequests, DocumentDetails, *ROLE_MODELS)
async def access_requests(
    rows: ReadStore,
    stored: StoredEvents,
    actor: Actor,
    document_id: UUID,
    *,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[AccessRequestView] | None:
    """Return the open requests for a document, the oldest first; None: it does not exist for the actor.

    Raises:
        RoleTooLow: the actor may not share it.
        BadCursor: the cursor is not one of this list.
    """
    if await own_document(rows, actor, document_id) is None:
        return None
    size, after = bounded(limit), _after(cursor)
    params = {"document_id": document_id, "asked_at": after.asked_at, "id": after.id, "size": size + 1}
    page = page_of(await rows.all(RequestOfUser, OPEN, params), size, lambda last: _Cursor(last.asked_at, last.id))
    places = [
        place
        for row in page.items
        for place in ((row.id, row.asked_version), (row.user_id, row.profile_version), (row.user_id, row.email_version))
    ]
    events = iter(await stored.events(places))
    shown = []
    for row in page.items:
        asked, profile, addressed = next(events), next(events), next(events)
        view = AccessRequestView(
            row.user_id, vars(profile)["name"], vars(addressed)["email"], row.role, _message(asked), row.asked_at
        )
        shown.append(view)
    return Page(shown, page.next)


@reads(AccessRequests)
async def own_access_requests(
    rows: ReadStore, stored: StoredEvents, actor: Actor, *, cursor: str | None = None, limit: int | None = None
) -> Page[OwnAccessRequest]:
    """Return the actor's requests, the oldest first.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    size, after = bounded(limit), _after(cursor)
    params = {"user_id": actor.user_id, "asked_at": after.asked_at, "id": after.id, "size": size + 1}
    page = page_of(await rows.all(StoredRequest, OWN, params), size, lambda last: _Cursor(last.asked_at, last.id))
    events = await stored.events([(row.id, row.asked_version) for row in page.items])
    shown = [
        OwnAccessRequest(
            row.document_id,
            row.role,
            _message(event),
            row.state,
            row.asked_at,
            row.answered_at,
            row.given_role,
        )
        for row, event in zip(page.items, events, strict=True)
    ]
    return Page(shown, page.next)


def _after(cursor: str | None) -> _Cursor:
    """Return the item after which a page begins. Raises `BadCursor`."""
    return BEGINNING if cursor is None else read_cursor(cursor, _Cursor)


def _message(event: Root.Event) -> str | None:
    assert isinstance(event, AccessRequest.Asked | AccessRequest.AskedAgain)
    return event.message
