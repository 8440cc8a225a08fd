"""A long log is rebuilt by several processes, and the table is the same as if one had done it."""

import asyncio
import subprocess
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from application.ports import RecordedEvent
from domain.kernel import Root
from infra.local.servers.process import is_alive, spawn
from infra.postgres.projector_connection import connect
from infra.projector.rebuild import load_workers
from infra.projector.rebuild.bulk_load import BulkLoader, TableReplaced, table_oid
from infra.projector.rebuild.load_workers import LoadWorkerFailed, LoadWorkers
from infra.projector.rebuild.rebuild import RebuildResult, rebuild
from infra.projector.schema import create
from infra.projector.table_writer import TableWriter
from infra.store.feed import HASH_SLOTS, ShardedFeed
from projections.content.document import DocumentDetails
from projections.content.document_version import DocumentVersions
from projections.kernel import ReadModel
from projections.teams.team_roster import TeamRoster
from tests.support.history import History
from tests.support.notes import Notes, note
from tests.support.projecting import append, dump, positions, projecting, quarantine_of
from tests.support.roles import environment
from tests.support.servers import Database
from tests.support.stores import CALL, open_store, rows
from tests.support.waiting import until

SEED, CHANGES = 20261127, 300
GARBAGE = "UPDATE stored_events SET state = 'garbage' WHERE originator_version = 3"
MODELS: list[ReadModel] = [DocumentDetails(), DocumentVersions(), TeamRoster()]


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask two workers for a short log, too."""
    monkeypatch.setattr(load_workers, "MIN_EVENTS", 1)
    monkeypatch.setattr(load_workers, "HEAD_START_EVENTS", 0)
    monkeypatch.setattr(load_workers, "_cores", lambda: 3)


@pytest.fixture
def lived(database: Database) -> Database:
    """Read models that have lived through a history."""

    async def live() -> None:
        async with open_store(database.app_url) as opened:
            await append(opened, History(SEED).changes(CHANGES))
            async with projecting(MODELS, opened.feed(), database.part_url("projector")) as running:
                await running.reached()

    asyncio.run(live())
    return database


def later(more: int) -> Iterator[Sequence[Root]]:
    """How the history goes on."""
    for number, roots in enumerate(History(SEED).changes(CHANGES + more)):
        if number >= CHANGES:
            yield roots
        for root in roots:
            root.collect_events()


async def rebuilt(model: ReadModel, database: Database, folder: Path, **other: str) -> RebuildResult:
    """Rebuild with workers; `other` settings are theirs alone."""
    async with open_store(database.app_url) as opened:
        feed = opened.feed()
        settings = {**environment(database, None, 1, folder), **other}
        return await rebuild(model, feed, database.part_url("projector"), workers=LoadWorkers(feed, settings))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that are started as workers."""
    processes: list[subprocess.Popen[bytes]] = []

    def spy(*command: Any, **how: Any) -> subprocess.Popen[bytes]:
        processes.append(spawn(*command, **how))
        return processes[-1]

    monkeypatch.setattr(load_workers, "spawn", spy)
    return processes


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_slot_has_one_process(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for events in (load_workers.MIN_EVENTS, 200_001, 10**9):
        own, *others = load_workers.split_slots(events, count)
        assert [slot for slots in (own, *others) for slot in slots] == list(range(HASH_SLOTS))
        assert len({len(slots) for slots in others}) == 1
        assert len(own) - len(others[0]) == pytest.approx(
            HASH_SLOTS * load_workers.HEAD_START_EVENTS / events, abs=count + 1
        )


async def test_the_shares_are_the_whole_log(lived: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.store.feed.HASH_SLOTS", 5)
    async with open_store(lived.app_url) as opened:
        feed = opened.feed()
        last = await feed.head() - 10
        whole = await feed.read(0, last)
        found = [await read_all(feed.shard(slots, last), 7) for slots in (range(2), range(2, 3), range(3, 5))]
    streams = [{event.stream_id for event in events} for events in found]
    assert all(streams)
    assert sum(map(len, streams)) == len(set().union(*streams))
    positions = [[event.position for event in events] for events in found]
    assert all(some == sorted(some) for some in positions)
    assert sorted(chain.from_iterable(positions)) == [event.position for event in whole]


async def read_all(share: ShardedFeed, limit: int) -> list[RecordedEvent]:
    """A whole share, a few events at a time."""
    found: list[RecordedEvent] = []
    while events := await share.read(found[-1].position if found else 0, limit):
        assert len(events) <= limit
        found += events
    return found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_what_workers_rebuild_equals_what_lived(
    model: ReadModel,
    lived: Database,
    tmp_path: Path,
    started: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra.projector.rebuild.bulk_load.BATCH", 50)
    monkeypatch.setattr("infra.projector.rebuild.bulk_load.MAX_BYTES", 10_000)
    before, standing = dump(lived.part_url("projector"), model.name), positions(lived.part_url("projector"), MODELS)
    done = await rebuilt(model, lived, tmp_path)
    assert [process.returncode for process in started] == [0, 0]
    assert dump(lived.part_url("projector"), model.name) == before
    assert positions(lived.part_url("projector"), MODELS) == standing
    assert (done.differing, done.quarantined) == (0, 0)


async def test_workers_leave_out_what_one_process_leaves_out(lived: Database, tmp_path: Path) -> None:
    model = DocumentVersions()
    rows(lived.admin_url, GARBAGE)
    async with open_store(lived.app_url) as opened:
        await rebuild(model, opened.feed(), lived.part_url("projector"))
    alone = await quarantine_of(lived.part_url("projector"))
    [(head,)] = rows(lived.admin_url, "SELECT max(notification_id) FROM stored_events")
    slots = rows(lived.admin_url, f"SELECT abs(uuid_hash(stream_id) %% {HASH_SLOTS}) FROM projection_quarantine")
    assert all(any(slot in own for (slot,) in slots) for own in load_workers.split_slots(head, 2))
    done = await rebuilt(model, lived, tmp_path)
    assert (done.differing, done.quarantined) == (0, len(alone))
    assert [(case.stream_id, case.position) for case in await quarantine_of(lived.part_url("projector"))] == [
        (case.stream_id, case.position) for case in alone
    ]


async def test_what_the_database_refuses_stops_its_stream_alone_in_a_shared_table_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.projector.rebuild.bulk_load.BATCH", 10)
    model, crowd = Notes(), [note(n) for n in range(1, 41)]
    async with open_store(database.app_url) as opened, await connect(database.part_url("projector")) as connection:
        async with projecting([model], opened.feed(), database.part_url("projector")) as running:
            for turn in range(8):
                for number, one in enumerate(crowd):
                    one.extend("nul: \0" if (turn, number) in ((3, 5), (5, 20)) else f"line {turn}")
                    await opened.store.append([one], CALL, None)
            await running.reached()
        last = await opened.feed().head()
        writer = TableWriter(model, "notes__next")
        await create(connection, writer.statements, model)
        await connection.execute(writer.statements.create_key())
        table = await table_oid(connection, writer)
        for start in range(0, HASH_SLOTS, 100):
            shard = opened.feed().shard(range(start, start + 100), last)
            await BulkLoader(writer, shard, connection, frozenset(), table, max_bytes=2_000).run(0, last)
    assert dump(database.part_url("projector"), "notes__next") == dump(database.part_url("projector"), "notes")
    found = await quarantine_of(database.part_url("projector"))
    places = [
        {(case.stream_id, case.position) for case in found if case.consumer == name}
        for name in ("notes", "notes__next")
    ]
    assert places[0] == places[1]
    assert len(places[0]) == 2


async def test_what_is_appended_meanwhile_is_loaded_on_top(
    lived: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DocumentVersions()
    monkeypatch.setattr("infra.projector.rebuild.rebuild.BATCH", 10)
    rows(lived.admin_url, GARBAGE)
    async with open_store(lived.app_url) as opened:
        await rebuild(model, opened.feed(), lived.part_url("projector"))

        class BusyWorkers(LoadWorkers):
            async def load(self, *arguments: Any) -> None:
                await super().load(*arguments)
                await append(opened, later(100))
                async with projecting(MODELS, opened.feed(), lived.part_url("projector")) as running:
                    await running.reached()

        before = len(dump(lived.part_url("projector"), model.name))
        busy = BusyWorkers(opened.feed(), environment(lived, None, 1, tmp_path))
        done = await rebuild(model, opened.feed(), lived.part_url("projector"), workers=busy)
    assert done.differing == 0
    assert done.quarantined > 0
    assert len(dump(lived.part_url("projector"), model.name)) > before


async def test_a_worker_that_fails_leaves_everything_as_it_was(
    lived: Database, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    model = DocumentVersions()
    before = dump(lived.part_url("projector"), model.name)
    with pytest.raises(LoadWorkerFailed):
        await rebuilt(model, lived, tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert len(started) == 2
    assert not any(is_alive(process.pid) for process in started)
    assert dump(lived.part_url("projector"), model.name) == before
    assert (await rebuilt(model, lived, tmp_path)).differing == 0


async def test_a_cancelled_rebuild_ends_its_workers(
    lived: Database, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    rebuilding = asyncio.create_task(rebuilt(DocumentVersions(), lived, tmp_path))
    await until(lambda: len(started) == 2)
    rebuilding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rebuilding
    assert not any(is_alive(process.pid) for process in started)


async def test_a_load_stops_when_another_rebuild_has_replaced_its_table(lived: Database) -> None:
    model = DocumentVersions()
    async with open_store(lived.app_url) as opened, await connect(lived.part_url("projector")) as connection:
        writer = TableWriter(model)
        table = await table_oid(connection, writer)
        await connection.execute("TRUNCATE read.document_version")
        assert table is not None
        with pytest.raises(TableReplaced):
            await BulkLoader(writer, opened.feed(), connection, frozenset(), table + 1).run(0, 1_000)
        assert dump(lived.part_url("projector"), model.name) == b""
        await BulkLoader(writer, opened.feed(), connection, frozenset(), table).run(0, 1_000)
    assert dump(lived.part_url("projector"), model.name)
