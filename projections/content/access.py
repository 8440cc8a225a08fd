"""Who has access to a document and why: for its owner everyone, for each reader their own reasons."""

from dataclasses import dataclass
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, StoredEvents
from domain.access import DOCUMENT
from domain.content.document import Document
from domain.content.roles import Role
from domain.kernel import Party
from projections.content.document import document, own_document
from projections.kernel import reads
from projections.page import Page, bounded, page_of, read_cursor
from projections.visibility import (
    BORROWER,
    LENT,
    LIVES,
    MEMBER,
    ROLE_MODELS,
    ROLE_OF_BORROWER,
    ROLE_OF_MEMBER,
    Reason,
    roles_on,
    team_of,
)


@dataclass(frozen=True, slots=True)
class AccessView:
    """One reason why a person has access.

    The owner, members of the team `team_id` and guests of the link `link_id` are named by `user_id`. The team owns the
    document (`team`), or it is lent to the team (`loan`). A share names the `email` that it was given to; `used`: it
    belongs to the user who first used it.
    """

    reason: Reason
    role: Role
    user_id: UUID | None
    email: str | None
    used: bool
    link_id: UUID | None = None
    team_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class OwnAccess:
    """The caller's role on a document, the highest one, and the reasons for it."""

    role: Role
    reasons: list["OwnReason"]


@dataclass(frozen=True, slots=True)
class OwnReason:
    """One reason why the caller has access, and the role that it gives: the link `link_id`, or the team `team_id`."""

    reason: Reason
    role: Role
    link_id: UUID | None = None
    team_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class StoredAccess:
    """A row. `source_id`: the address, link or team that gives the role. `holder_id`: the guest or member, or `NONE`.

    `shared_version`: the event of a share.
    """

    reason: Reason
    role: Role
    source_id: UUID
    holder_id: UUID
    used: bool
    shared_version: int


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    reason: Reason
    source_id: UUID
    holder_id: UUID


NONE = UUID(int=0)

ALL = f"""
SELECT reason, role, source_id, holder_id, used, shared_version FROM (
    SELECT 'share' AS reason, role, address_id AS source_id, %(none)s::uuid AS holder_id,
        user_id IS NOT NULL AS used, shared_version
    FROM read.document_access WHERE document_id = %(id)s
    UNION ALL SELECT 'link', l.role, g.link_id, g.user_id, true, 0
    FROM read.link_guest g JOIN read.share_link l ON l.id = g.link_id JOIN read.user_profile p ON p.id = g.user_id
    WHERE g.document_id = %(id)s AND g.present AND {LIVES}
    UNION ALL SELECT 'team', {ROLE_OF_MEMBER}, r.team_id, r.user_id, true, 0
    FROM {MEMBER} WHERE r.team_id = %(team_id)s
    UNION ALL SELECT 'loan', {ROLE_OF_BORROWER}, s.team_id, r.user_id, true, 0
    FROM {LENT} JOIN {BORROWER} WHERE s.document_id = %(id)s AND r.user_id <> lender.user_id
) AS held WHERE (reason, source_id, holder_id) > (%(reason)s, %(source_id)s, %(holder_id)s)
ORDER BY reason, source_id, holder_id LIMIT %(size)s
"""  # noqa: S608 - our own words only


@reads("document", *ROLE_MODELS)
async def all_access(
    rows: ReadStore,
    stored: StoredEvents,
    actor: Actor,
    document_id: UUID,
    *,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[AccessView] | None:
    """Return who has access to a document and why, a user who owns it first; None: it does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
        BadCursor: the cursor is not one of this list.
    """
    found = await own_document(rows, actor, document_id)
    if found is None:
        return None
    size = bounded(limit)
    after = _Cursor("link", NONE, NONE) if cursor is None else read_cursor(cursor, _Cursor)
    place = {"reason": after.reason, "source_id": after.source_id, "holder_id": after.holder_id}
    team_id = team_of(Party(found.owner_kind, found.owner_id))
    params = {"id": document_id, "team_id": team_id, "none": NONE, "size": size + 1}
    held = await rows.all(StoredAccess, ALL, params | place)
    page = page_of(held, size, lambda last: _Cursor(last.reason, last.source_id, last.holder_id))
    shown = await _views(page.items, stored, document_id)
    is_first = cursor is None and team_id is None
    owner = [AccessView("owner", "owner", found.owner_id, None, used=True)] if is_first else []
    return Page([*owner, *shown], page.next)


async def _views(held: list[StoredAccess], stored: StoredEvents, document_id: UUID) -> list[AccessView]:
    """Return the views of rows. The addresses of shares are in their events."""
    events = iter(await stored.events([(document_id, row.shared_version) for row in held if row.reason == "share"]))
    shown = []
    for row in held:
        if row.reason == "link":
            shown.append(AccessView("link", row.role, row.holder_id, None, used=True, link_id=row.source_id))
        elif row.reason in ("team", "loan"):
            shown.append(AccessView(row.reason, row.role, row.holder_id, None, used=True, team_id=row.source_id))
        else:
            event = next(events)
            assert isinstance(event, Document.Shared)
            shown.append(AccessView("share", row.role, None, event.email, row.used))
    return shown


@reads("document", *ROLE_MODELS)
async def own_access(rows: ReadStore, actor: Actor, document_id: UUID) -> OwnAccess | None:
    """Return why the actor has access to a document; None: it does not exist for them. It is no use of a share."""
    found = await document(rows, actor, document_id)
    if found is None:
        return None
    owner = Party(found.view.owner_kind, found.view.owner_id)
    roles = await roles_on(rows, actor, document_id, owner)
    highest = DOCUMENT.highest(each.role for each in roles)
    reasons = [OwnReason(each.reason, each.role, each.link_id, each.team_id) for each in roles]
    return None if highest is None else OwnAccess(highest, reasons)
