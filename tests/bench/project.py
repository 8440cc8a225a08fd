"""Following the log with a read model: documents as they are now, with the position that each row comes from.

Ours is the projector with one read model, on events that it has to unseal. The peer is the library's
`ProjectionRunner` with a view that writes a table of the same shape, from its own events, which are in clear.
"""

import asyncio
from collections.abc import Iterator
from time import perf_counter

import psycopg

from infra.bootstrap.lifetime import cancelled
from infra.bootstrap.projections import prepare_tables
from infra.bootstrap.write_side import WriteSide
from infra.projector.log_projector import LogProjector
from infra.projector.position_tracker import PositionTracker
from infra.projector.read_ahead import BufferedFeed
from infra.projector.read_models import ReadModels
from infra.projector.rebuild.rebuild import rebuild
from projections.content.document import DocumentDetails
from projections.kernel import ReadModel
from tests.bench import ours, stock, stock_views
from tests.bench.fill import fill
from tests.bench.harness import TEXT, Bench, Row, against
from tests.bench.stock_views import PageDetails, PageTable
from tests.support.servers import Database

UNIT = "events/s"
VERSIONS = 10
PATIENCE = 120.0
# From the start, a backlog as long as ours would be rebuilt aside.
RESTART = "TRUNCATE read.document; UPDATE projections SET position = 1 WHERE name = 'document'"


def rows(bench: Bench) -> Iterator[Row]:
    """A backlog that is followed live. The peer gets a shorter one."""
    model = DocumentDetails()
    documents, pages = bench.count(6_000), bench.count(200)
    with bench.database() as database, ours.opened(database, "projector") as own:
        fill(own.core, database.admin_url, documents, VERSIONS)
        own(prepare, model)
        with stock.opened(database, POSTGRES_POOL_SIZE="2") as app:
            stock.store_pages(app, pages, VERSIONS, TEXT)
        mine, theirs = bench.in_turns(
            lambda: own(follow, model, database, documents * VERSIONS),
            lambda: stock_views.run(database, PageDetails, PageTable, pages * VERSIONS),
        )
    yield against("live projection, in batches", UNIT, mine, theirs, reach=20)


async def prepare(core: WriteSide, model: ReadModel) -> None:
    """Make the read model's table."""
    await prepare_tables(core.url, [model])


async def follow(core: WriteSide, model: ReadModel, database: Database, head: int) -> float:
    """Events a second, from an empty table to the end of the log."""
    execute(database, RESTART)
    feed, positions = core.feed(), PositionTracker(core.url)
    recent = BufferedFeed(feed)
    projector = LogProjector(ReadModels([model], lambda model: rebuild(model, feed, core.url)), recent, feed, core.url)
    await positions.start()
    started = perf_counter()
    projecting = asyncio.create_task(projector.run())
    lag = await positions.wait(model.name, head, PATIENCE)
    seconds = perf_counter() - started
    assert lag == 0
    await cancelled(projecting)
    await recent.stop()
    await positions.stop()
    return (head - 1) / seconds


def execute(database: Database, statement: str) -> None:
    """Change something as the database's owner."""
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(statement.encode())
