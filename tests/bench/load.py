"""Loading an aggregate from PostgreSQL, one after the other: by replaying all of its events, then with a snapshot.

Ours unseals the personal field of every event; the peer's events are in clear, but for a peer of its own that seals as
well. In service ours never replays so many: a load of a hundred events leaves a snapshot for the next one. So some
documents are loaded by a store that leaves none.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from time import perf_counter
from unittest.mock import patch
from uuid import UUID

from domain.content.document import Document
from infra.bootstrap.write_side import WriteSide
from infra.store.snapshots import Interval
from tests.bench import ours, stock
from tests.bench.harness import TEXT, Bench, Row, against
from tests.support.servers import Database

DOCUMENTS = 20
UNIT = "events/s"


def rows(bench: Bench) -> Iterator[Row]:
    """Aggregates of 100 and of 1,000 events against the library's `repository.get`."""
    with bench.database() as database, ours.opened(database) as own:
        for versions in (100, 1_000):
            yield from _of(bench, database, own, bench.count(versions))


def _of(bench: Bench, database: Database, own: ours.Ours, versions: int) -> Iterator[Row]:
    seconds = bench.seconds(0.6)
    documents, without = [
        [document.id for document in own(ours.store_documents, DOCUMENTS, versions, TEXT)] for _ in range(2)
    ]
    with ExitStack() as stack:
        peers = []
        for kind, settings in ((stock.Pages, {}), (stock.SealedPages, stock.SEALED), (stock.SnapshotPages, {})):
            app = stack.enter_context(stock.opened(database, kind, POSTGRES_POOL_SIZE="2", **settings))
            peers.append((app, [page.id for page in stock.store_pages(app, DOCUMENTS, versions, TEXT)]))
        replayed, latest, plain, sealed, snapshots = bench.in_turns(
            lambda: own(replay, without, versions, seconds),
            lambda: own(load, documents, versions, seconds),
            *[lambda app=app, pages=pages: get(app, pages, versions, seconds) for app, pages in peers],
        )
    name = f"load an aggregate of {versions:,} events"
    yield against(name, UNIT, replayed, plain, reach=10)
    yield against(f"{name} (peer: sealed, too)", UNIT, replayed, sealed)
    yield against(f"{name} (both with a snapshot)", UNIT, latest, snapshots)
    yield against(f"{name} (ours as in service, with a snapshot)", UNIT, latest, plain)


async def replay(core: WriteSide, ids: list[UUID], versions: int, seconds: float) -> float:
    """Events a second, of aggregates that leave no snapshots."""
    with patch.object(Interval, "may_be_due", lambda _: False):
        return await load(core, ids, versions, seconds)


async def load(core: WriteSide, ids: list[UUID], versions: int, seconds: float) -> float:
    """Events a second."""
    started, count = perf_counter(), 0
    while (elapsed := perf_counter() - started) < seconds:
        document = await core.store.load(Document, ids[count % len(ids)])
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
