"""Rebuilding a read model from the whole log: every version of every document, a row an event.

Ours is all that an operator waits for: a new table beside the old one, filled, indexed, compared with the old one and
swapped in. The log is sealed. The peers are the library's runner from the start of its own log, and the database alone:
the same rows, ready in its binary form, copied into an empty table with the same key.
"""

from collections.abc import Iterator
from io import BytesIO
from time import perf_counter

import psycopg

from infra.bootstrap.write_side import WriteSide
from infra.projector.rebuild.load_workers import LoadWorkers
from infra.projector.rebuild.rebuild import rebuild
from projections.content.document_version import DocumentVersions
from projections.kernel import ReadModel
from tests.bench import ours, stock, stock_views
from tests.bench.fill import fill
from tests.bench.harness import TEXT, Bench, Row, against
from tests.bench.project import VERSIONS, prepare
from tests.bench.stock_views import PageVersions, VersionTable
from tests.support.servers import Database

UNIT = "events/s"
EVENTS = 200_000
COPY_OUT = "COPY read.document_version TO STDOUT (FORMAT binary)"
COPY_IN = "COPY read.copied FROM STDIN (FORMAT binary)"
AFRESH = "DROP TABLE IF EXISTS read.copied; CREATE TABLE read.copied (LIKE read.document_version INCLUDING ALL)"


def rows(bench: Bench) -> Iterator[Row]:
    """All events of the log, again and again."""
    model = DocumentVersions()
    documents, pages = bench.count(EVENTS // VERSIONS), bench.count(200)
    with bench.database() as database, ours.opened(database, "projector") as own:
        fill(own.core, database.admin_url, documents, VERSIONS)
        own(prepare, model)
        own(again, database, model, documents * VERSIONS)
        with stock.opened(database, POSTGRES_POOL_SIZE="2") as app:
            stock.store_pages(app, pages, VERSIONS, TEXT)
        with psycopg.connect(database.admin_url, autocommit=True) as connection:
            with connection.cursor().copy(COPY_OUT) as copying:
                ready = b"".join(copying)
            mine, theirs, raw = bench.in_turns(
                lambda: own(again, database, model, documents * VERSIONS),
                lambda: stock_views.run(database, PageVersions, VersionTable, pages * VERSIONS),
                lambda: copy(connection, ready, documents * VERSIONS),
            )
    yield against(f"rebuild from {documents * VERSIONS:,} events", UNIT, mine, theirs, reach=50)
    yield against(f"rebuild from {documents * VERSIONS:,} events (peer: COPY of its rows)", UNIT, mine, raw, reach=0.25)


async def again(core: WriteSide, database: Database, model: ReadModel, head: int) -> float:
    """Events a second of a rebuild, as an operator asks for it."""
    feed = core.feed()
    started = perf_counter()
    rebuilt = await rebuild(model, feed, core.url, workers=LoadWorkers(feed, ours.environment(database)))
    seconds = perf_counter() - started
    assert (rebuilt.position, rebuilt.rows_after, rebuilt.quarantined) == (head, head, 0)
    return head / seconds


def copy(connection: psycopg.Connection, ready: bytes, rows: int) -> float:
    """Rows a second."""
    connection.execute(AFRESH.encode())
    source = BytesIO(ready)
    started = perf_counter()
    with connection.cursor().copy(COPY_IN) as copying:
        while chunk := source.read(128 * 1024):
            copying.write(chunk)
    return rows / (perf_counter() - started)
