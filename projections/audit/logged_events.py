"""Events of the log for auditors, by what they say: read from the log, so there is no table."""

import msgspec

from application.ports import AuditTrail, EventFilter, EventStore
from application.travel.views import EventView, event_views
from projections.page import Page, bounded, read_cursor, write_cursor

MAX_POSITION = 2**62
"""A position above all others."""


class _Cursor(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where a page begins, and the end of the list: the head of the log at its first page."""

    after: int
    end: int


async def logged_events(
    _: EventStore, trail: AuditTrail, wanted: EventFilter, *, cursor: str | None = None, limit: int | None = None
) -> Page[EventView]:
    """Return events in the order of the log, up to its head at the first page.

    Each page that an auditor reads is an event of its own, so a list without this end would never end.

    Raises:
        BadCursor: the cursor is not one of this list.
        NoSuchTopic: no aggregate has the topic.
        SearchTooWide: it would take too long.
    """
    place, end = _Cursor(0, MAX_POSITION) if cursor is None else read_cursor(cursor, _Cursor), await trail.head()
    after, end = min(max(place.after, 0), MAX_POSITION), min(place.end, end)
    found = await trail.search(wanted, after, bounded(limit))
    items = await event_views(trail, [event for event in found if event.position <= end])
    has_more = bool(items) and items[-1].position < end
    return Page(items, write_cursor(_Cursor(items[-1].position, end)) if has_more else None)
