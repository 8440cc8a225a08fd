"""Loading an aggregate from PostgreSQL by replaying all of its events, one aggregate after the other.

Ours unseals the personal field of every event, the peer's events are in clear. Snapshots are left out on both sides.
"""

from collections.abc import Iterator
from time import perf_counter
from uuid import UUID

from domain.document import Document
from infra.core import Core
from tests.bench import ours, stock
from tests.bench.harness import TEXT, Bench, Row, against

DOCUMENTS = 20
UNIT = "events/s"


def rows(bench: Bench) -> Iterator[Row]:
    """Aggregates of 100 and of 1,000 events against the library's `repository.get`."""
    with (
        bench.database() as database,
        ours.opened(database) as own,
        stock.opened(database, POSTGRES_POOL_SIZE="2") as app,
    ):
        for versions in (100, 1_000):
            yield _one(bench, own, app, bench.count(versions))


def _one(bench: Bench, own: ours.Ours, app: stock.Pages, versions: int) -> Row:
    seconds = bench.seconds(0.8)
    documents = [document.id for document in own(ours.store_documents, DOCUMENTS, versions, TEXT)]
    pages = [page.id for page in stock.store_pages(app, DOCUMENTS, versions, TEXT)]
    mine, theirs = bench.in_turns(
        lambda: own(load, documents, versions, seconds),
        lambda: get(app, pages, versions, seconds),
    )
    return against(f"load an aggregate of {versions:,} events", UNIT, mine, theirs, reach=10)


async def load(core: Core, ids: list[UUID], versions: int, seconds: float) -> float:
    """Events a second. As of its last version, an aggregate is loaded without a snapshot."""
    started, count = perf_counter(), 0
    while (elapsed := perf_counter() - started) < seconds:
        document = await core.store.load(Document, ids[count % len(ids)], version=versions)
        assert document is not None
        assert document.version == versions
        count += 1
    return count * versions / elapsed


def get(app: stock.Pages, ids: list[UUID], versions: int, seconds: float) -> float:
    """Events a second."""
    started, count = perf_counter(), 0
    while (elapsed := perf_counter() - started) < seconds:
        page: stock.Page = app.repository.get(ids[count % len(ids)])
        assert page.version == versions
        count += 1
    return count * versions / elapsed
