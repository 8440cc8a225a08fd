"""Read models follow the log: exactly once in effect, whatever breaks, and rebuilt as they are live."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import psycopg
import pytest

from infra.projector.load import Load
from infra.projector.rebuild import rebuild
from projections.kernel import Change, Recorded, ReadModel, Table, read_models
from tests.support.history import History
from tests.support.note import Note
from tests.support.projecting import MemoryFeed, append, dump, positions, projecting, recorded, until
from tests.support.servers import Cluster, Database
from tests.support.stores import open_store, rows

MODELS = read_models()


class Notes(ReadModel):
    """A small read model of which the tests know everything."""

    version = 1
    roots = (Note,)
    table = Table(
        "notes",
        key={"id": "uuid"},
        columns={"text": "text NOT NULL", "colour": "text NOT NULL", "lines": "bigint NOT NULL"},
        indexes=["(colour)"],
    )

    def changes(self, event: Recorded) -> Iterator[Change]:
        match event.data:
            case Note.Written(text=text, colour=colour):
                yield self.table.put(event.stream_id, text=text, colour=colour, lines=1)
            case Note.Extended(line="!raise"):
                raise RuntimeError("not this one")
            case Note.Extended(line=line):
                yield self.table.set(event.stream_id, text=_extended(line), lines=lambda row: row["lines"] + 1)
            case Note.Relabelled():
                yield self.table.drop(event.stream_id)


def _extended(line: str):  # type: ignore[no-untyped-def]
    return lambda row: f"{row['text']}\n{line}"


@pytest.fixture(scope="module")
def lived(cluster: Cluster) -> Iterator[Database]:
    """A database whose read models have lived through a history, batch by batch."""

    async def live(database: Database) -> None:
        async with open_store(database.app_url) as opened:
            feed = opened.feed()
            await feed.start()
            async with projecting(MODELS, feed, database.app_url) as running:
                await append(opened, History(20261122).changes(1_500))
                await running.reached()
            await feed.stop()

    with cluster.database() as database:
        asyncio.run(live(database))
        yield database


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_what_is_rebuilt_equals_what_lived_byte_for_byte(model: ReadModel, lived: Database) -> None:
    before = dump(lived.app_url, model.name)
    async with open_store(lived.app_url) as opened:
        done = await rebuild(model, opened.feed(), lived.app_url)
    assert before
    assert dump(lived.app_url, model.name) == before
    assert (done.differing, done.quarantined) == (0, 0)
    assert done.rows_before == done.rows_after == before.count(b"\n")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
async def test_a_rebuild_in_little_memory_makes_the_same_rows(
    model: ReadModel, lived: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dump(lived.app_url, model.name)
    monkeypatch.setattr("infra.projector.load.BATCH", 100)
    monkeypatch.setattr(Load.__init__, "__defaults__", (frozenset(), 10_000))
    async with open_store(lived.app_url) as opened:
        await rebuild(model, opened.feed(), lived.app_url)
    assert dump(lived.app_url, model.name) == before
