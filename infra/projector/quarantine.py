"""What operators do with a quarantined stream: retry its events, or skip the one that fails."""

from uuid import UUID

from application.ports import EventFeed
from infra.postgres.projector_connection import connect
from infra.projector.checkpoints import PROJECTIONS, Checkpoints
from infra.projector.consumers import LogConsumer
from infra.projector.table_writer import TableWriter
from projections.kernel import Poison, ReadModel


class NotInQuarantine(Exception):
    """The stream is not in quarantine in this consumer."""


async def retry(model: ReadModel, stream_id: UUID, feed: EventFeed, url: str, *, skip: bool = False) -> Poison | None:
    """Apply the events that a read model has missed. See `retry_stream`."""
    return await retry_stream(TableWriter(model), PROJECTIONS, stream_id, feed, url, skip=skip)


async def retry_stream(
    consumer: LogConsumer,
    checkpoints: Checkpoints,
    stream_id: UUID,
    feed: EventFeed,
    url: str,
    *,
    skip: bool = False,
    batch_size: int = 2_000,
) -> Poison | None:
    """Apply the events that a quarantined stream has missed. With `skip`, its first failing event is skipped for good.

    Returns the event that fails now and keeps the stream in quarantine; None: the stream is released.

    Raises:
        NotInQuarantine: there was nothing to do.
        BatchPostponed: the consumer cannot apply them now; nothing was changed.
        Unavailable: the database does not answer.
    """
    connection, name = await connect(url), consumer.name
    async with connection, connection.transaction():
        checkpoint = (await checkpoints.lock(connection, [name])).get(name)
        failed_at = await checkpoints.release(connection, name, stream_id)
        if checkpoint is None or failed_at is None:
            raise NotInQuarantine(name)
        if skip:
            await checkpoints.skip(connection, name, failed_at, stream_id)
        first, last = failed_at + 1 if skip else failed_at, checkpoint.reached(stream_id)
        while events := (await feed.stream(stream_id, first, last))[:batch_size]:
            poisons = await consumer.apply_carefully(connection, events)
            if poisons:
                await checkpoints.quarantine(connection, name, poisons)
                return poisons[0]
            first = events[-1].position + 1
        return None
