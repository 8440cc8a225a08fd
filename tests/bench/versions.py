"""Loading an aggregate at any version of a long history, and what the snapshots for it cost a `PUT`."""

from collections.abc import Callable, Iterator
from random import Random
from statistics import median
from time import perf_counter
from uuid import UUID

import psycopg
from uuid_utils.compat import uuid7

from application.content.document import ChangeDocument
from domain.content.document import Document
from domain.content.texts import CONTENT_LENGTH
from infra.bootstrap.write_side import WriteSide, utc_now
from infra.store.sealed_loading import SealedLoader
from tests.bench import ours, stock
from tests.bench.harness import TEXT, Bench, Row, below, told
from tests.support.servers import Database

EDITS, REWRITES, LOADS = 10_000, 130, 100
Figure = Callable[[list[float]], float]
"""One figure of many."""
SNAPSHOTS_TO_EVENTS = """
SELECT (SELECT sum(octet_length(state)) FROM snapshots)::float8 / (SELECT sum(octet_length(state)) FROM stored_events)
"""


def rows(bench: Bench) -> Iterator[Row]:
    """Many small edits beside the library with snapshots; then few large ones."""
    with bench.database() as database, ours.opened(database) as own:
        yield from _sealed(bench, own, bench.count(EDITS))
    with bench.database() as database, ours.opened(database) as own:
        yield _edits(bench, database, own, bench.count(EDITS))
    with bench.database() as database, ours.opened(database) as own:
        yield from _rewrites(bench, database, own, bench.count(REWRITES))


def _edits(bench: Bench, database: Database, own: ours.Ours, edits: int) -> Row:
    [document] = own(ours.store_documents, 1, edits, TEXT)
    with stock.opened(database, stock.SnapshotPages, POSTGRES_POOL_SIZE="2") as app:
        page = stock.new_page(TEXT)
        for version in range(2, edits + 1):
            page.retitle(f"{version:08}{TEXT}")
            if version % 100 == 0 or version == edits:
                app.save(page)
        wanted = versions(edits)
        found, peer = bench.in_turns(lambda: own(load, document.id, wanted), lambda: get(app, page.id, wanted))
    return below(f"any version of {edits:,} edits", "ms", found, 20, peer)


def _sealed(bench: Bench, own: ours.Ours, edits: int) -> Iterator[Row]:
    """States for auditors, without data keys: versions in any order, and the last one by a process that knows none."""
    [document] = own(ours.store_documents, 1, edits, TEXT)
    wanted = versions(edits)

    async def warm(core: WriteSide, figure: Figure) -> float:
        loader = SealedLoader(core.reader, core.keyring.stamps)
        await sealed(loader, document.id, [edits])
        return await sealed(loader, document.id, wanted, figure)

    async def first(core: WriteSide) -> float:
        return await sealed(SealedLoader(core.reader, core.keyring.stamps), document.id, [edits])

    found, slowest, cold = bench.in_turns(lambda: own(warm, median), lambda: own(warm, max), lambda: own(first))
    name = f"audit: any version of a stream of {edits:,} events, sealed"
    yield below(name, "ms", found, 50)
    yield below(f"{name}: the slowest", "ms", slowest, 50)
    yield told(f"audit: the last of {edits:,} versions, sealed, for the first time", "ms", median(cold))


async def sealed(loader: SealedLoader, id: UUID, wanted: list[int], figure: Figure = median) -> float:
    """A figure of the times of loads without data keys in milliseconds."""
    seconds = []
    for version in wanted:
        started = perf_counter()
        document = await loader.load(Document, id, version, EDITS)
        seconds.append(perf_counter() - started)
        assert document is not None
        assert document.version == version
    return 1000 * figure(seconds)


def _rewrites(bench: Bench, database: Database, own: ours.Ours, rewrites: int) -> Iterator[Row]:
    name = f"a text of a million characters rewritten {rewrites} times"
    documents = [own(rewrite, rewrites) for _ in range(bench.rounds)]
    wanted = list(range(1, rewrites + 1))
    [slowest] = bench.in_turns(lambda: own(load, documents[0][0], wanted, max))
    yield below(f"{name}: the slowest version", "ms", [max(slowest)], 100)
    puts = [max(seconds) / median(seconds) for _, seconds in documents]
    yield below(f"{name}: the slowest `PUT`, to the usual one", "times", [max(puts)], 2)
    with psycopg.connect(database.admin_url) as connection:
        [(share,)] = connection.execute(SNAPSHOTS_TO_EVENTS).fetchall()
    yield below(f"{name}: bytes of snapshots, to those of events", "%", [100 * share], 50)


def versions(count: int) -> list[int]:
    """Versions to load, the same for each side."""
    random = Random(13)
    return [random.randint(1, count) for _ in range(LOADS)]


async def load(core: WriteSide, id: UUID, wanted: list[int], figure: Figure = median) -> float:
    """A figure of the times of the loads in milliseconds."""
    seconds = []
    for version in wanted:
        started = perf_counter()
        document = await core.store.load(Document, id, version=version)
        seconds.append(perf_counter() - started)
        assert document is not None
        assert document.version == version
    await core.store.drain()
    return 1000 * figure(seconds)


def get(app: stock.Pages, id: UUID, wanted: list[int]) -> float:
    """The median time of a load in milliseconds."""
    seconds = []
    for version in wanted:
        started = perf_counter()
        page: stock.Page = app.repository.get(id, version=version)
        seconds.append(perf_counter() - started)
        assert page.version == version
    return 1000 * median(seconds)


async def rewrite(core: WriteSide, times: int) -> tuple[UUID, list[float]]:
    """Rewrite a document of a million characters by commands. The seconds of each, which loads one version more."""
    bus, seconds = core.bus({}), []
    document = Document.create(id=uuid7(), owner_id=ours.OWNER.user_id, title="T", content=_text(1), now=utc_now())
    await core.store.append([document], ours.CALL, None)
    for version in range(2, times + 1):
        command = ChangeDocument(id=document.id, title="T", content=_text(version), status="draft")
        started = perf_counter()
        await bus.send(command, ours.CALL)
        seconds.append(perf_counter() - started)
    await core.store.drain()
    return document.id, seconds


def _text(number: int) -> str:
    return f"{number:08}" * (CONTENT_LENGTH // 8)
