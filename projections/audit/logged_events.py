"""Events of the log for auditors, by what they say: read from the log, so there is no table."""

import msgspec

from application.ports import AuditTrail, EventFilter, EventStore
from application.travel.views import EventView, event_views
from projections.page import Page, bounded, read_cursor, write_cursor


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    after: int


async def logged_events(
    _: EventStore, trail: AuditTrail, wanted: EventFilter, *, cursor: str | None = None, limit: int | None = None
) -> Page[EventView]:
    """Return events in the order of the log. After a page with events there is a cursor, also if none follow yet.

    Raises:
        BadCursor: the cursor is not one of this list.
        NoSuchTopic: no aggregate has the topic.
        SearchTooWide: it would take too long.
    """
    after = 0 if cursor is None else min(max(read_cursor(cursor, _Cursor).after, 0), 2**62)
    found = await trail.search(wanted, after, bounded(limit))
    items = await event_views(trail, found)
    return Page(items, write_cursor(_Cursor(items[-1].position)) if items else None)
