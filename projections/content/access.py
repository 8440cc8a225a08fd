"""Who has access to a document and why: for its owner everyone, for each reader their own reasons."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec

from application.ports import Actor, ReadStore, StoredEvents
from domain.content.document import Document
from domain.content.roles import Role
from domain.kernel import Party
from projections.content.document import document, own_document
from projections.kernel import reads
from projections.page import Page, bounded, page_of, read_cursor
from projections.visibility import LIVES, SHARES_HELD, Share, document_access, shares_params

Reason = Literal["owner", "share", "link"]


@dataclass(frozen=True, slots=True)
class AccessView:
    """One reason why a person has access.

    The owner and the guests of links are named by `user_id`; a guest came by the link `link_id`. A share names the
    `email` that it was given to; `used`: it belongs to the user who first used it.
    """

    reason: Reason
    role: Role
    user_id: UUID | None
    email: str | None
    used: bool
    link_id: UUID | None


@dataclass(frozen=True, slots=True)
class OwnAccess:
    """The caller's role on a document, the highest one, and the reasons for it."""

    role: Role
    reasons: list["OwnReason"]


@dataclass(frozen=True, slots=True)
class OwnReason:
    """One reason why the caller has access, and the role that it gives. `link_id`: the link they came by."""

    reason: Reason
    role: Role
    link_id: UUID | None


@dataclass(frozen=True, slots=True)
class StoredAccess:
    """A row. `address_or_link_id`: what gives the role. `guest_id`: the user who came by a link, or `NONE`.

    `shared_version`: the event of a share.
    """

    reason: Reason
    role: Role
    address_or_link_id: UUID
    guest_id: UUID
    used: bool
    shared_version: int


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    reason: Reason
    address_or_link_id: UUID
    guest_id: UUID


NONE = UUID(int=0)

ALL = f"""
SELECT reason, role, address_or_link_id, guest_id, used, shared_version FROM (
    SELECT 'share' AS reason, role, address_id AS address_or_link_id, %(none)s::uuid AS guest_id,
        user_id IS NOT NULL AS used, shared_version
    FROM read.document_access WHERE document_id = %(id)s
    UNION ALL SELECT 'link', l.role, g.link_id, g.user_id, true, 0
    FROM read.link_guest g JOIN read.share_link l ON l.id = g.link_id JOIN read.user_profile p ON p.id = g.user_id
    WHERE g.document_id = %(id)s AND g.present AND {LIVES}
) AS held WHERE (reason, address_or_link_id, guest_id) > (%(reason)s, %(address_or_link_id)s, %(guest_id)s)
ORDER BY reason, address_or_link_id, guest_id LIMIT %(size)s
"""  # noqa: S608 - our own words only


@reads("document", "document_access", "link_guest", "share_link", "user_profile")
async def all_access(
    rows: ReadStore,
    stored: StoredEvents,
    actor: Actor,
    document_id: UUID,
    *,
    cursor: str | None = None,
    limit: int | None = None,
) -> Page[AccessView] | None:
    """Return who has access to a document and why, the owner first; None: it does not exist for the actor.

    Raises:
        RoleTooLow: the actor does not own it.
        BadCursor: the cursor is not one of this list.
    """
    found = await own_document(rows, actor, document_id)
    if found is None:
        return None
    size = bounded(limit)
    after = _Cursor("link", NONE, NONE) if cursor is None else read_cursor(cursor, _Cursor)
    place = {"reason": after.reason, "address_or_link_id": after.address_or_link_id, "guest_id": after.guest_id}
    held = await rows.all(StoredAccess, ALL, {"id": document_id, "none": NONE, "size": size + 1, **place})
    page = page_of(held, size, lambda last: _Cursor(last.reason, last.address_or_link_id, last.guest_id))
    shown = await _views(page.items, stored, document_id)
    owner = [AccessView("owner", "owner", found.owner_id, None, used=True, link_id=None)] if cursor is None else []
    return Page([*owner, *shown], page.next)


async def _views(held: list[StoredAccess], stored: StoredEvents, document_id: UUID) -> list[AccessView]:
    """Return the views of rows. The addresses of shares are in their events."""
    events = iter(await stored.events([(document_id, row.shared_version) for row in held if row.reason == "share"]))
    shown = []
    for row in held:
        if row.reason == "link":
            shown.append(AccessView("link", row.role, row.guest_id, None, used=True, link_id=row.address_or_link_id))
        else:
            event = next(events)
            assert isinstance(event, Document.Shared)
            shown.append(AccessView("share", row.role, None, event.email, row.used, link_id=None))
    return shown


@reads("document", "document_access", "link_guest", "share_link", "user_profile")
async def own_access(rows: ReadStore, actor: Actor, document_id: UUID) -> OwnAccess | None:
    """Return why the actor has access to a document; None: it does not exist for them. It is no use of a share."""
    found = await document(rows, actor, document_id)
    if found is None:
        return None
    owner = Party(found.view.owner_kind, found.view.owner_id)
    access = await document_access(rows, actor, document_id, owner)
    if access.role is None:
        return None
    if access.role == "owner":
        return OwnAccess("owner", [OwnReason("owner", "owner", None)])
    shares = await rows.all(Share, SHARES_HELD, shares_params(actor, document_id, owner))
    reasons = [OwnReason("share" if each.link_id is None else "link", each.role, each.link_id) for each in shares]
    return OwnAccess(access.role, reasons)
