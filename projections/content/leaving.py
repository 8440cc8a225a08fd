"""What becomes of documents when a member leaves a team, or the team is dissolved: shown before it happens."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore
from projections.kernel import reads
from projections.page import Page, bounded, page_of, read_cursor
from projections.visibility import BELONGS_TO_TEAM, HAS_ROLE_BY_TEAM, LENT, OWNED, SHOWN, team_role

LeavingOutcome = Literal["ends", "goes_back", "stays"]


@dataclass(frozen=True, slots=True)
class LeavingDocument:
    """A document and what becomes of it: it stays with the team, goes back to its owner, or ends with the team."""

    document_id: UUID
    title: str
    outcome: LeavingOutcome


@dataclass(frozen=True, slots=True)
class LeavingPage(Page[LeavingDocument]):
    """Some of the documents that the caller may see, by outcome. `counts`: how many there are of each in all."""

    items: list[LeavingDocument]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """The number of documents with an outcome."""

    outcome: LeavingOutcome
    total: int


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    outcome: LeavingOutcome
    id: UUID


LENT_DOCUMENTS = f"""
SELECT 'goes_back' AS outcome, d.id AS document_id, d.title, {OWNED} OR {HAS_ROLE_BY_TEAM} AS is_seen
FROM {LENT} JOIN read.document d ON d.id = s.document_id WHERE s.team_id = %(team_id)s AND {SHOWN}
"""  # noqa: S608 - our own words only
OF_MEMBER = f"""
SELECT 'stays' AS outcome, d.id AS document_id, d.title, {HAS_ROLE_BY_TEAM} AS is_seen FROM read.document d
JOIN read.document_version v ON v.document_id = d.id AND v.version = 1 AND v.author_id = %(member_id)s
WHERE {BELONGS_TO_TEAM}
UNION ALL {LENT_DOCUMENTS} AND lender.user_id = %(member_id)s
"""  # noqa: S608 - our own words only
OF_TEAM = f"""
SELECT 'ends' AS outcome, d.id AS document_id, d.title, {HAS_ROLE_BY_TEAM} AS is_seen
FROM read.document d WHERE {BELONGS_TO_TEAM}
UNION ALL {LENT_DOCUMENTS}
"""  # noqa: S608 - our own words only

COUNTED = "SELECT outcome, count(*) AS total FROM ({documents}) AS x GROUP BY outcome"
PAGE = """
SELECT document_id, title, outcome FROM ({documents}) AS x
WHERE is_seen AND (outcome, document_id) > (%(outcome)s, %(after)s) ORDER BY outcome, document_id LIMIT %(size)s
"""


@reads("document", "document_team_share", "document_version", "team", "team_roster", "user_profile")
async def leaving(
    rows: ReadStore, actor: Actor, team_id: UUID, *, cursor: str | None = None, limit: int | None = None
) -> LeavingPage | None:
    """Return what becomes of documents when the actor leaves a team; None: they are no member.

    Raises:
        BadCursor: the cursor is not one of this list.
    """
    if await team_role(rows, actor, team_id, "read_leaving") is None:
        return None
    return await _page(rows, OF_MEMBER, actor, {"team_id": team_id, "member_id": actor.user_id}, cursor, limit)


@reads("document", "document_team_share", "document_version", "team", "team_roster", "user_profile")
async def removing(
    rows: ReadStore,
    actor: Actor,
    team_id: UUID,
    member_id: UUID,
    *,
    cursor: str | None = None,
    limit: int | None = None,
) -> LeavingPage | None:
    """Return what becomes of documents when a member is removed; None: the team or member does not exist for the actor.

    Raises:
        RoleTooLow: the actor is no admin.
        BadCursor: the cursor is not one of this list.
    """
    if await team_role(rows, actor, team_id, "read_removal") is None:
        return None
    if await team_role(rows, Actor(member_id), team_id, "read") is None:
        return None
    return await _page(rows, OF_MEMBER, actor, {"team_id": team_id, "member_id": member_id}, cursor, limit)


@reads("document", "document_team_share", "team", "team_roster", "user_profile")
async def dissolving(
    rows: ReadStore, actor: Actor, team_id: UUID, *, cursor: str | None = None, limit: int | None = None
) -> LeavingPage | None:
    """Return what becomes of documents when a team is dissolved; None: the team does not exist for the actor.

    Raises:
        RoleTooLow: the actor is no owner.
        BadCursor: the cursor is not one of this list.
    """
    if await team_role(rows, actor, team_id, "read_dissolution") is None:
        return None
    return await _page(rows, OF_TEAM, actor, {"team_id": team_id}, cursor, limit)


@reads()  # the documents are its callers'
async def _page(
    rows: ReadStore, documents: str, actor: Actor, whose: dict[str, UUID], cursor: str | None, limit: int | None
) -> LeavingPage:
    size, whose = bounded(limit), {**whose, "user_id": actor.user_id}
    after = _Cursor("ends", UUID(int=0)) if cursor is None else read_cursor(cursor, _Cursor)
    counts = await rows.all(OutcomeCount, COUNTED.format(documents=documents), whose)
    params = {**whose, "outcome": after.outcome, "after": after.id, "size": size + 1}
    found = await rows.all(LeavingDocument, PAGE.format(documents=documents), params)
    page = page_of(found, size, lambda last: _Cursor(last.outcome, last.document_id))
    return LeavingPage(page.items, page.next, {each.outcome: each.total for each in counts})
