"""What operators do about streams that a projection could not take: try again, or do without the event."""

from uuid import UUID

from application.ports import EventFeed
from infra.postgres.projector_connection import connect
from infra.projector import checkpoints
from infra.projector.table_writer import TableWriter
from projections.kernel import Poison, ReadModel


class NotInQuarantine(Exception):
    """That stream is not in quarantine in that projection."""


async def retry(model: ReadModel, stream_id: UUID, feed: EventFeed, url: str, *, skip: bool = False) -> Poison | None:
    """Apply what a stream in quarantine has missed. With `skip`, its first event that failed is left out, for good.

    Answers the event that failed now, from which on the stream stays in quarantine; None: the stream is sound again.

    Raises:
        NotInQuarantine: there was nothing to do.
        Unavailable: the database does not answer.
    """
    applier = TableWriter(model)
    connection = await connect(url)
    async with connection, connection.transaction():
        standing = (await checkpoints.lock(connection, [model.name])).get(model.name)
        failed_at = await checkpoints.release(connection, model.name, stream_id)
        if standing is None or failed_at is None:
            raise NotInQuarantine(model.name)
        events = await feed.stream(stream_id, failed_at, standing.reached(stream_id))
        if skip:
            await checkpoints.skip(connection, model.name, failed_at, stream_id)
            events = [event for event in events if event.position != failed_at]
        poisons = await applier.apply_carefully(connection, events)
        if poisons:
            await checkpoints.confine(connection, model.name, poisons)
        return poisons[0] if poisons else None
