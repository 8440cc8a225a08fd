"""What operators do with a quarantined stream: retry its events, or skip the one that fails."""

from uuid import UUID

from application.ports import EventFeed
from infra.postgres.projector_connection import connect
from infra.projector import checkpoints
from infra.projector.table_writer import TableWriter
from projections.kernel import Poison, ReadModel


class NotInQuarantine(Exception):
    """The stream is not in quarantine in this projection."""


async def retry(model: ReadModel, stream_id: UUID, feed: EventFeed, url: str, *, skip: bool = False) -> Poison | None:
    """Apply the events that a quarantined stream has missed. With `skip`, its first failing event is skipped for good.

    Returns the event that fails now and keeps the stream in quarantine; None: the stream is released.

    Raises:
        NotInQuarantine: there was nothing to do.
        Unavailable: the database does not answer.
    """
    writer = TableWriter(model)
    connection = await connect(url)
    async with connection, connection.transaction():
        checkpoint = (await checkpoints.lock(connection, [model.name])).get(model.name)
        failed_at = await checkpoints.release(connection, model.name, stream_id)
        if checkpoint is None or failed_at is None:
            raise NotInQuarantine(model.name)
        if skip:
            await checkpoints.skip(connection, model.name, failed_at, stream_id)
        first, last = failed_at + 1 if skip else failed_at, checkpoint.reached(stream_id)
        while events := await feed.stream(stream_id, first, last):
            poisons = await writer.apply_carefully(connection, events)
            if poisons:
                await checkpoints.quarantine(connection, model.name, poisons)
                return poisons[0]
            first = events[-1].position + 1
        return None
