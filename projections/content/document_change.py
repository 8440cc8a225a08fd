"""Changes of documents, for clients that keep a copy of their list. Only this file writes the table.

A client sends the token of its last request, and gets each document that it may have seen and that has changed since:
as the list shows it now, or without contents where the list does not show it any more. What a person may have seen is
never forgotten, so a client that was away for any time misses nothing. What is sent more than once, or needlessly, does
no harm. Documents that share links lend are left out: a link may end by time, without an event. See
`projections/decisions/0002-changes-by-position.md`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, RecordedEvent
from domain.content.document import Document
from domain.kernel import Conflict
from projections.content.document import LISTED, DocumentSummary
from projections.kernel import Change, PersonalData, ReadModel, Row, Table, reads
from projections.page import bounded, read_cursor, write_cursor
from projections.past_visibility import CHANGED_DOCUMENTS
from projections.visibility import own_documents, shared_by_events, team_documents_by_events

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)

MODELS = (
    "document",
    "document_access",
    "document_change",
    "document_star",
    "document_team_share",
    "team",
    "team_reader",
    "team_roster",
    "user_profile",
)
"""The read models that make the list: changes are shown as far as all of them have come."""

CHANGED = f"""
WITH reached AS (
    SELECT coalesce(min(position), 0) AS reached, coalesce(sum(generation), 0)::bigint AS generation FROM projections
    WHERE name = ANY('{{{",".join(MODELS)}}}')
), changed AS (
    SELECT id, max(position) AS position FROM ({CHANGED_DOCUMENTS}) AS c GROUP BY id
)
SELECT r.reached, r.generation, c.id, c.position FROM reached r LEFT JOIN (
    SELECT * FROM changed WHERE (position, id) > (%(position)s, %(after)s)
    AND position <= (SELECT reached FROM reached) ORDER BY position, id LIMIT %(size)s
) c ON true ORDER BY c.position, c.id
"""  # noqa: S608 - our own words only
"""Takes no change that one of the read models has not reached: it is found later."""

WANTED = "d.id = ANY(%(ids)s) AND d.trashed_at IS NULL"
SHOWN_NOW = f"""
{own_documents(LISTED, WANTED)}
UNION ALL {team_documents_by_events(LISTED, WANTED)}
UNION ALL {shared_by_events(LISTED, WANTED)}
"""


LISTS = ("user_ids", "address_ids", "former_teams", "former_since", "former_until", "lent_teams", "lent_since")
"""The columns of `document_change` that hold lists."""


class SyncTokenExpired(Conflict):
    """The token of a client's last changes is of no use any more."""


@dataclass(frozen=True, slots=True)
class DocumentChangeView:
    """A document that has changed. `document`: as the list has it now; null: the list does not have it any more."""

    id: UUID
    document: DocumentSummary | None


@dataclass(frozen=True, slots=True)
class DocumentChangePage:
    """Some changes, the oldest first. `next`: the token for those after them; `more`: there are some already."""

    items: list[DocumentChangeView]
    next: str
    more: bool


@dataclass(frozen=True, slots=True)
class ChangedDocument:
    """A document that has changed at a position; None: there is none. `reached`: the end of what is known.

    `generation`: that of the read models together. It grows when their rows change without new events.
    """

    reached: int
    generation: int
    id: UUID | None
    position: int | None


class DocumentChanges(ReadModel):
    """All documents, erased ones too: who owns each, since which position, and who ever owned or shared it.

    `former_teams`: the teams that owned it, each from the position in `former_since` to the one in `former_until`.
    `lent_teams`: the teams that it was ever lent to, each from the position in `lent_since` on.
    """

    version = 3
    roots = (Document,)
    personal = PersonalData("ids of users and addresses", "stays: ids only")
    table = Table(
        "document_change",
        key={"id": "uuid"},
        columns={
            "owner_kind": "text NOT NULL",
            "owner_id": "uuid NOT NULL",
            "owned_since": "bigint NOT NULL",
            "user_ids": "uuid[] NOT NULL",
            "address_ids": "uuid[] NOT NULL",
            "former_teams": "uuid[] NOT NULL",
            "former_since": "bigint[] NOT NULL",
            "former_until": "bigint[] NOT NULL",
            "lent_teams": "uuid[] NOT NULL",
            "lent_since": "bigint[] NOT NULL",
        },
        indexes=[
            "(owner_id, position)",
            "USING gin (user_ids)",
            "USING gin (address_ids)",
            "USING gin (former_teams)",
            "USING gin (lent_teams)",
        ],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Document.Created(owner_kind=owner_kind, owner_id=owner_id):
                owner = {"owner_kind": owner_kind, "owner_id": owner_id, "owned_since": event.position}
                yield self.table.put(event.stream_id, **owner, **{name: [] for name in LISTS})
            case Document.Shared(address_id=address_id):
                yield self.table.set(event.stream_id, address_ids=_with(address_id, "address_ids"))
            case Document.ShareBound(user_id=user_id):
                yield self.table.set(event.stream_id, user_ids=_with(user_id, "user_ids"))
            case Document.SharedWithTeam(team_id=team_id):
                yield self.table.set(event.stream_id, **_lent(team_id, event.position))
            case Document.OwnershipTransferred(owner_kind=kind, owner_id=owner_id) as transfer:
                owner = {"owner_kind": kind, "owner_id": owner_id, "owned_since": event.position}
                yield self.table.set(event.stream_id, **owner, **_former(transfer, event.position))
            case _:
                yield self.table.set(event.stream_id)


def _former(transfer: Document.OwnershipTransferred, position: int) -> dict[str, Callable[[Row], Any]]:
    """Return what a transfer adds about former owners, who may have seen the document."""
    if transfer.former_owner_kind == "user":
        return {"user_ids": _with(transfer.former_owner_id, "user_ids")}
    return {
        "former_teams": lambda row: [*row["former_teams"], transfer.former_owner_id],
        "former_since": lambda row: [*row["former_since"], row["owned_since"]],
        "former_until": lambda row: [*row["former_until"], position],
    }


def _lent(team_id: UUID, position: int) -> dict[str, Callable[[Row], Any]]:
    """Return what a loan to a team adds, unless there was one before."""

    def added(column: str, value: object) -> Callable[[Row], Any]:
        return lambda row: row[column] if team_id in row["lent_teams"] else [*row[column], value]

    return {"lent_teams": added("lent_teams", team_id), "lent_since": added("lent_since", position)}


def _with(id: UUID, column: str) -> Callable[[Row], list[UUID]]:
    """Return a function from a row to what its column lists, with this id."""
    return lambda row: row[column] if id in row[column] else [*row[column], id]


class _Token(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The last change that a client has, a digest of its user's address, and the generation of the read models."""

    position: int
    id: UUID
    address: str
    generation: int = 0


@reads(*MODELS)
async def document_changes(
    rows: ReadStore, actor: Actor, *, since: str | None = None, limit: int | None = None
) -> DocumentChangePage:
    """Return what has changed in the actor's list of documents since a token; without one, all of the list.

    After a rebuild of a read model, or the release of a stream from its quarantine, everything is sent again: events
    were applied whose positions the client may have passed.

    Raises:
        BadCursor: the token is not one of this list.
        SyncTokenExpired: the actor has another address than then.
    """
    size, address = bounded(limit), _digest(actor)
    start = _Token(0, FIRST, address)
    token = start if since is None else read_cursor(since, _Token)
    if token.address != address:
        raise SyncTokenExpired("Your verified address has changed; leave `since` out, and replace your copy.")
    params = {"user_id": actor.user_id, "address_id": actor.address_id}
    found = await _changed(rows, params, token, size)
    if since is not None and any(each.generation != token.generation for each in found):
        token = start
        found = await _changed(rows, params, token, size)
    ids = [each.id for each in found if each.id is not None][:size]
    shown = await rows.all(DocumentSummary, SHOWN_NOW, params | {"ids": ids}) if ids else []
    by_id = {each.id: each for each in shown}
    more = len(found) > size
    end = found[size - 1].position if more else max(token.position, *(each.reached for each in found), 0)
    assert end is not None
    generation = max((each.generation for each in found), default=0)
    after = _Token(end, ids[-1] if more else LAST, address, generation)
    return DocumentChangePage([DocumentChangeView(id, by_id.get(id)) for id in ids], write_cursor(after), more)


@reads("document_change", "document_star", "team_reader", "user_profile")
async def _changed(
    rows: ReadStore, params: dict[str, UUID | None], token: _Token, size: int
) -> Sequence[ChangedDocument]:
    """Return what has changed since a token, one document more than asked for."""
    place = {"position": token.position, "after": token.id, "size": size + 1}
    return await rows.all(ChangedDocument, CHANGED, params | place)


def _digest(actor: Actor) -> str:
    address = b"" if actor.address_id is None else actor.address_id.bytes
    return blake2b(address, digest_size=8).hexdigest()
