"""Loading an aggregate at any version of a long history, and what the snapshots for it cost a `PUT`."""

from collections.abc import Iterator
from random import Random
from statistics import median
from time import perf_counter
from uuid import UUID

from application.content.document import ChangeDocument
from domain.content.document import CONTENT_LENGTH, Document
from infra.bootstrap.write_side import WriteSide
from tests.bench import ours, stock
from tests.bench.harness import TEXT, Bench, Row, below, told
from tests.support.servers import Database

EDITS, REWRITES, LOADS = 10_000, 130, 100
SNAPSHOTS = """
SELECT 100.0 * (SELECT coalesce(sum(octet_length(state)), 0) FROM snapshots) / sum(octet_length(state))::float8
FROM stored_events WHERE originator_id <> ALL(%s)
"""


def rows(bench: Bench) -> Iterator[Row]:
    """Many small edits beside the library with snapshots; then few large ones."""
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


def _rewrites(bench: Bench, database: Database, own: ours.Ours, rewrites: int) -> Iterator[Row]:
    runs = [own(rewrite, rewrites) for _ in range(bench.rounds)]
    document_id = runs[0][0]
    [found] = bench.in_turns(lambda: own(load, document_id, versions(rewrites)))
    yield below(f"any version of a million characters rewritten {rewrites} times", "ms", found, 100)
    times = [median(each) for each in zip(*[seconds for _, seconds in runs], strict=True)]
    yield told("usual", "ms", 1000 * median(times))
    yield told("p90", "ms", 1000 * sorted(times)[int(0.9 * len(times))])
    yield below("the slowest PUT of them, in usual times of a PUT", "times", [max(times) / median(times)], 2)


def versions(count: int) -> list[int]:
    """Versions to load, the same for each side."""
    random = Random(13)
    return [random.randint(1, count) for _ in range(LOADS)]


async def load(core: WriteSide, id: UUID, wanted: list[int]) -> float:
    """The median time of a load in milliseconds."""
    seconds = []
    for version in wanted:
        started = perf_counter()
        document = await core.store.load(Document, id, version=version)
        seconds.append(perf_counter() - started)
        assert document is not None
        assert document.version == version
    await core.store.drain()
    return 1000 * median(seconds)


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
    """Rewrite a document of a million characters by commands. The time of each in seconds."""
    bus, seconds = core.bus({}), []
    document = ours.new_document(f"{0:08}")
    await core.store.append([document], ours.CALL, None)
    for number in range(2, times + 1):
        content = f"{number:08}" * (CONTENT_LENGTH // 8)
        command = ChangeDocument(id=document.id, title="T", content=content, status="draft")
        started = perf_counter()
        await bus.send(command, ours.CALL)
        seconds.append(perf_counter() - started)
    await core.store.drain()
    return document.id, seconds
