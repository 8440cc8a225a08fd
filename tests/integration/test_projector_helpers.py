"""A long log is rebuilt by several processes, and the table is the same as if one had done it."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.projector import helpers
from infra.projector.apply import Applier
from infra.projector.books import Case, cases
from infra.projector.connection import connect
from infra.projector.helpers import HelperFailed, Helpers
from infra.projector.load import Gone, Load, table_of
from infra.projector.rebuild import Rebuilt, rebuild
from infra.servers.process import is_alive, spawn
from infra.store.feed import SLOTS
from projections.document import DocumentDetails
from projections.document_version import DocumentVersions
from projections.kernel import ReadModel
from projections.team_roster import TeamRoster
from tests.support.history import History
from tests.support.projecting import append, dump, positions, projecting, until
from tests.support.roles import environment
from tests.support.servers import Database
from tests.support.stores import open_store, rows

MODELS: list[ReadModel] = [DocumentDetails(), DocumentVersions(), TeamRoster()]


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask two helpers for a short log, too."""
    monkeypatch.setattr(helpers, "WORTH", 1)
    monkeypatch.setattr(helpers, "HEAD_START", 0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})


@pytest.fixture
def lived(database: Database) -> Database:
    """Read models that have lived through a history."""

    async def live() -> None:
        async with open_store(database.app_url) as opened:
            await append(opened, History(20261126).changes(300))
            async with projecting(MODELS, opened.feed(), database.app_url) as running:
                await running.reached()

    asyncio.run(live())
    return database


async def rebuilt(model: ReadModel, database: Database, folder: Path, **other: str) -> Rebuilt:
    """Rebuild with helpers; `other` settings are theirs alone."""
    async with open_store(database.app_url) as opened:
        feed = opened.feed()
        settings = {**environment(database, None, 1, folder), **other}
        return await rebuild(model, feed, database.app_url, helpers=Helpers(feed, settings))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that are started as helpers."""
    processes: list[subprocess.Popen[bytes]] = []

    def spy(*command: Any, **how: Any) -> subprocess.Popen[bytes]:
        processes.append(spawn(*command, **how))
        return processes[-1]

    monkeypatch.setattr(helpers, "spawn", spy)
    return processes


async def quarantine_of(database: Database) -> list[Case]:
    async with await connect(database.app_url) as connection:
        return await cases(connection)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_slot_is_somebodys(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for events in (helpers.WORTH, 200_001, 10**9):
        own, *others = helpers.shares(events, count)
        assert [slot for slots in (own, *others) for slot in slots] == list(range(SLOTS))
        assert len({len(slots) for slots in others}) == 1
        assert len(own) - len(others[0]) == pytest.approx(SLOTS * helpers.HEAD_START / events, abs=count + 1)


async def test_the_shares_are_the_whole_log(lived: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.store.feed.SLOTS", 5)
    async with open_store(lived.app_url) as opened:
        feed = opened.feed()
        last = await feed.head() - 10
        whole = await feed.read(0, last)
        shares = [feed.share(slots, last) for slots in (range(2), range(2, 3), range(3, 5))]
        found = []
        for share in shares:
            after = 0
            while events := await share.read(after, 7):
                after = events[-1].position
                found.append(events)
    streams = [{event.stream_id for event in events} for events in found]
    assert sorted(event.position for events in found for event in events) == [event.position for event in whole]
    assert len(set().union(*streams)) > 50


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_what_helpers_rebuild_equals_what_lived(
    model: ReadModel,
    lived: Database,
    tmp_path: Path,
    started: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infra.projector.load.BATCH", 50)
    monkeypatch.setattr(Load.__init__, "__defaults__", (frozenset(), None, 10_000))
    before, standing = dump(lived.app_url, model.name), positions(lived.app_url, MODELS)
    done = await rebuilt(model, lived, tmp_path)
    assert [process.returncode for process in started] == [0, 0]
    assert dump(lived.app_url, model.name) == before
    assert positions(lived.app_url, MODELS) == standing
    assert (done.differing, done.quarantined) == (0, 0)


async def test_helpers_leave_out_what_one_process_leaves_out(lived: Database, tmp_path: Path) -> None:
    model = DocumentVersions()
    rows(lived.admin_url, "UPDATE stored_events SET state = 'garbage' WHERE originator_version = 3")
    async with open_store(lived.app_url) as opened:
        await rebuild(model, opened.feed(), lived.app_url)
    alone = await quarantine_of(lived)
    assert len({case.stream_id.int % 2 for case in alone}) == 2
    done = await rebuilt(model, lived, tmp_path)
    assert (done.differing, done.quarantined) == (0, len(alone))
    assert [(case.stream_id, case.position) for case in await quarantine_of(lived)] == [
        (case.stream_id, case.position) for case in alone
    ]


async def test_a_helper_that_fails_leaves_everything_as_it_was(
    lived: Database, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    model = DocumentVersions()
    before = dump(lived.app_url, model.name)
    with pytest.raises(HelperFailed):
        await rebuilt(model, lived, tmp_path, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert len(started) == 2
    assert not any(is_alive(process.pid) for process in started)
    assert dump(lived.app_url, model.name) == before
    assert (await rebuilt(model, lived, tmp_path)).differing == 0


async def test_a_rebuild_that_is_broken_off_takes_its_helpers_along(
    lived: Database, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    rebuilding = asyncio.create_task(rebuilt(DocumentVersions(), lived, tmp_path))
    await until(lambda: len(started) == 2)
    rebuilding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rebuilding
    assert not any(is_alive(process.pid) for process in started)


async def test_nobody_loads_into_a_table_that_somebody_else_has_begun(lived: Database) -> None:
    model = DocumentVersions()
    async with open_store(lived.app_url) as opened, await connect(lived.app_url) as connection:
        applier = Applier(model)
        table = await table_of(connection, applier)
        await connection.execute("TRUNCATE read.document_version")
        assert table is not None
        with pytest.raises(Gone):
            await Load(applier, opened.feed(), connection, frozenset(), table + 1).run(0, 1_000)
        assert dump(lived.app_url, model.name) == b""
        await Load(applier, opened.feed(), connection, frozenset(), table).run(0, 1_000)
    assert dump(lived.app_url, model.name)
