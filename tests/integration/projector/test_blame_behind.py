"""Blame while its read model is behind that of documents: it names no version that it does not know."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from psycopg_pool import AsyncConnectionPool

from domain.content.document import Document
from domain.kernel import NotFound
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from projections.content.document_version import DocumentVersions, blame
from projections.kernel import read_models
from tests.support.given import NOW, person
from tests.support.projecting import EventsOf, MemoryFeed, news, projecting
from tests.support.servers import Database

ADA, ID = person(1), UUID(int=2)


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[PooledReadStore]:
    """Rows of the test's database."""
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield PooledReadStore(database_of(pool))


async def test_passages_are_those_of_the_version_that_the_answer_names(
    database: Database, rows: PooledReadStore
) -> None:
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Notes", content="Otters.", now=NOW)
    feed = MemoryFeed(news(document))
    models = read_models()
    async with projecting(models, feed, database.app_url) as running:
        await running.reached()
    document.change(title="Notes", content="Otters swim.", status="draft", by=ADA, now=NOW)
    feed.add(news(document)[1:])
    ahead = [model for model in models if model.name != DocumentVersions().name]
    async with projecting(ahead, feed, database.app_url) as running:
        await running.reached()
    found = await blame(rows, EventsOf(document), ADA, ID, None)
    assert found is not None
    assert (found.view.version, [(each.start, each.end) for each in found.view.passages]) == (1, [(0, 7)])
    with pytest.raises(NotFound, match="versions 1 to 1"):
        await blame(rows, EventsOf(document), ADA, ID, 2)
    async with projecting(models, feed, database.app_url) as running:
        await running.reached()
    found = await blame(rows, EventsOf(document), ADA, ID, None)
    assert found is not None
    assert (found.view.version, found.view.passages[-1].end) == (2, 12)
