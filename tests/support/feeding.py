"""Feeds read models in tests: from the store, or from Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol
from uuid import UUID

from domain.kernel import Root
from infra.bootstrap.projections import prepare_tables
from infra.kafka.consumer.feed import KafkaFeed
from infra.projector.partitioned_projector import PartitionedProjector
from infra.projector.read_ahead import BufferedFeed
from infra.projector.read_models import ReadModels
from infra.projector.rebuild.rebuild import RebuildResult, rebuild
from projections.kernel import ReadModel
from tests.support.note import Note
from tests.support.projecting import Running, append, projecting
from tests.support.publishing import Publisher
from tests.support.servers import Database
from tests.support.stores import Opened, rows


class Feeding(Protocol):
    """A log, and projectors that one kind of feed feeds with it."""

    opened: Opened

    async def append(self, *roots: Root) -> int:
        """Append what is pending, and see that it gets to the feed. Answers the last position."""

    def projecting(self, *models: ReadModel) -> AbstractAsyncContextManager[Running]:
        """A projector that runs meanwhile."""


class FromStore:
    """The store's own feed."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened

    async def append(self, *roots: Root) -> int:
        return await append(self.opened, [[root] for root in roots])

    @asynccontextmanager
    async def projecting(self, *models: ReadModel) -> AsyncIterator[Running]:
        feed = self.opened.feed()
        await feed.start()
        async with projecting(models, feed, self.opened.url) as running:
            yield running
        await feed.stop()


class FromKafka:
    """Kafka's private topic."""

    def __init__(self, opened: Opened, publisher: Publisher) -> None:
        self.opened = opened
        self.publisher = publisher

    async def append(self, *roots: Root) -> int:
        await append(self.opened, [[root] for root in roots])
        return await asyncio.to_thread(self.publisher.publish)

    @asynccontextmanager
    async def projecting(self, *models: ReadModel) -> AsyncIterator[Running]:
        await prepare_tables(self.opened.url, models)
        store, publisher, url = self.opened.feed(), self.publisher, self.opened.url
        feed = KafkaFeed(
            publisher.consumer, publisher.topics, f"{publisher.topics.prefix}.projector", self.opened.keyring, store
        )
        await feed.start()
        recent = BufferedFeed(store)
        projector = PartitionedProjector(
            ReadModels(models, lambda model: rebuild(model, store, url)), feed, recent, store, url
        )
        task = asyncio.create_task(projector.run())
        try:
            yield Running(models, store, url)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await recent.stop()
            await feed.stop()


async def checked(opened: Opened, *models: ReadModel) -> list[RebuildResult]:
    """How the read models compare with what a rebuild makes; nothing is changed."""
    return [await rebuild(model, opened.feed(), opened.url, swap=False) for model in models]


def lines_in(database: Database) -> dict[int, int]:
    """The number of lines by number of the note, as they were projected."""
    return {UUID(str(id)).int: lines for id, lines in rows(database.app_url, "SELECT id, lines FROM read.notes")}


def grown(notes: Sequence[Note], turns: int) -> Iterator[list[Note]]:
    """The notes with a line more, turn by turn."""
    for turn in range(turns):
        for each in notes:
            each.extend(str(turn))
        yield list(notes)
