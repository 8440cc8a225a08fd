"""The relay publishes what the store holds, also while it runs, and also after erasure."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from adapters.integration_events.cloudevents import CloudEvents
from domain.content.document import Document
from domain.content.erasure import erase_document
from domain.identity.user import User
from domain.kernel import Root
from infra.bootstrap.lifetime import cancelled
from infra.bootstrap.relay import publish
from infra.kafka.client.topics import Topics
from infra.kafka.reconcile.differences import Report
from infra.kafka.reconcile.reconcile import find_closed, reconcile
from infra.local.servers.kafka import EmbeddedKafka
from tests.support.history import History
from tests.support.servers import Database
from tests.support.stores import CALL, STAMPS, Opened, open_store

PATIENCE = 30.0


@asynccontextmanager
async def relaying(opened: Opened, kafka: EmbeddedKafka, topics: Topics) -> AsyncIterator[None]:
    """Run the relay, for events and states."""
    names = {"bootstrap_servers": kafka.address}
    arguments = (opened.url, opened.database, opened.keyring, opened.store, names, topics, CloudEvents())
    task = asyncio.create_task(publish(*arguments))
    try:
        yield
    finally:
        await cancelled(task)


async def compare(opened: Opened, kafka: EmbeddedKafka, topics: Topics) -> Report:
    """Reconcile, in a thread."""
    loop = asyncio.get_running_loop()

    def closed(kind: type[Root], ids: Sequence[UUID]) -> set[UUID]:
        return asyncio.run_coroutine_threadsafe(find_closed(opened.store, kind, ids), loop).result(PATIENCE)

    names = {"bootstrap_servers": kafka.address}
    return await asyncio.to_thread(reconcile, opened.url, names, topics, STAMPS, closed, timeout=PATIENCE)


async def test_what_the_relay_publishes_is_what_the_store_holds(
    database: Database, kafka: EmbeddedKafka, topics: Topics
) -> None:
    history = History(4)
    async with open_store(database.app_url) as opened:
        for roots in history.changes(150):
            await opened.store.append(roots, CALL, None)
        document, user = history.of(Document)[0], history.of(User)[0]
        erase_document(document, now=history.now)
        user.erase(now=history.now)
        await opened.store.append([document, user], CALL, None)
    async with open_store(database.app_url) as opened, relaying(opened, kafka, topics):
        report = await compare(opened, kafka, topics)
        assert report.difference is None
        assert report.counts[topics.state("document")].events == len(history.of(Document)) - 1


async def test_records_published_during_the_comparison_are_no_difference(
    database: Database, kafka: EmbeddedKafka, topics: Topics
) -> None:
    async with open_store(database.app_url) as opened, relaying(opened, kafka, topics):
        changes = History(5).changes(1_000)

        async def live(count: int) -> None:
            for _ in range(count):
                await opened.store.append(next(changes), CALL, None)
                await asyncio.sleep(0.005)

        await live(100)
        living = asyncio.create_task(live(400))
        reports = [await compare(opened, kafka, topics) for _ in range(2)]
        await living
        reports.append(await compare(opened, kafka, topics))
        assert [report.difference for report in reports] == [None, None, None]
        assert reports[0].last < reports[-1].last
