"""Revocations in a rebuilt table: what the live table no longer shows must not come back with the swap.

A stream that only the new table has put in quarantine lacks its later events there. Those that revoke or erase may have
been acknowledged, as the live table shows them. So they are applied to the new table before it replaces the live one.
The stream stays in quarantine; a retry applies them again, in order, which comes to the same in a `Table`.
"""

from collections.abc import AsyncIterator, Collection
from uuid import UUID

from eventsourcing.utils import TopicError, resolve_topic

from application.ports import EventFeed, RecordedEvent, Undecodable
from infra.postgres.projector_connection import Connection
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.table_writer import TableWriter


class RevocationFailed(Exception):
    """The new table cannot apply an event that revokes or erases, and that the live table shows."""


async def apply_revocations(
    successor: TableWriter, connection: Connection, feed: EventFeed, live: Checkpoint, skipped: Collection[int]
) -> None:
    """Apply to the successor's streams in quarantine the revocations and erasures that the live table shows.

    Raises:
        RevocationFailed: the successor cannot apply one of them.
    """
    if successor.statements.adds:
        return  # Sums say nothing of a person, and to add an event twice would make them wrong.
    left_out = {case.stream_id: case.position for case in await PROJECTIONS.list_quarantine(connection, live.name)}
    for case in await PROJECTIONS.list_quarantine(connection, successor.name):
        shown = left_out.get(case.stream_id, live.reached(case.stream_id) + 1) - 1
        async for event in _events(feed, case.stream_id, case.position, shown):
            if event.position in skipped or not _revokes(event, live.name):
                continue
            if await successor.apply_carefully(connection, [event]):
                raise RevocationFailed(
                    f"The new table of {live.name} cannot replace the live one: it fails at the event at position "
                    f"{event.position}, which revokes or erases"
                )


async def _events(feed: EventFeed, stream_id: UUID, first: int, last: int) -> AsyncIterator[RecordedEvent]:
    while first <= last and (page := await feed.stream(stream_id, first, last)):
        for event in page:
            yield event
        first = page[-1].position + 1


def _revokes(event: RecordedEvent, name: str) -> bool:
    """Return whether an event takes something away from the readers of a read model; if unknown, True."""
    try:
        kind = resolve_topic(event.topic) if isinstance(event.data, Undecodable) else type(event.data)
    except TopicError:
        return True
    return bool(kind.erases) or name in kind.revokes
