"""Writing a read model's table: what is sent, in which portions, and how a refused event is found."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest

from infra.projector import table_writer
from infra.projector.statements import Statements
from infra.projector.table_writer import TableWriter
from projections.kernel import Poison, Table
from tests.support.note import Note
from tests.support.notes import Notes, note
from tests.support.projecting import MemoryFeed, news
from tests.support.totals import LineTotals

ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))


class Memory:
    """A connection to one table, whose key is the first column; rows with a `bad` text are refused."""

    def __init__(self, statements: Statements, bad: str = "", error: type[psycopg.Error] = psycopg.DataError) -> None:
        self.statements, self.bad, self.error = statements, bad, error
        self.rows: dict[Any, tuple[Any, ...]] = {}
        self.sent: list[list[list[Any]]] = []
        self.found: list[tuple[Any, ...]] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        before = dict(self.rows)
        try:
            yield
        except BaseException:
            self.rows = before
            raise

    def cursor(self, binary: bool) -> "Memory":
        assert binary
        return self

    async def execute(self, statement: bytes, arrays: Sequence[Any]) -> None:
        columns = [list(array.values) for array in arrays]
        if statement == self.statements.fetch:
            self.found = [self.rows[key] for key in columns[0] if key in self.rows]
        elif statement == self.statements.delete:
            for key in columns[0]:
                self.rows.pop(key, None)
        else:
            assert statement == self.statements.upsert
            self.sent.append(columns)
            new = list(zip(*columns, strict=True))
            if self.bad and any(self.bad in str(row) for row in new):
                raise self.error("refused")
            self.rows |= {row[0]: row for row in new}

    async def fetchall(self) -> list[tuple[Any, ...]]:
        return self.found


def opened(bad: str = "", error: type[psycopg.Error] = psycopg.DataError) -> tuple[TableWriter, Any]:
    """A writer of notes, and its table in memory."""
    writer = TableWriter(Notes())
    return writer, Memory(writer.statements, bad, error)


async def test_rows_are_read_changed_and_written_once_for_a_batch() -> None:
    writer, memory = opened()
    events = news(note(1, "a", "b"))
    assert await writer.apply(memory, events[:2]) == []
    assert await writer.apply(memory, events[2:]) == []
    assert memory.rows[ONE][1] == "note 1\na\nb"
    assert len(memory.sent) == 2


async def test_a_dropped_row_is_deleted() -> None:
    writer, memory = opened()
    gone = note(1)
    await writer.apply(memory, news(gone))
    gone.relabel("gone")
    await writer.apply(memory, news(gone)[1:])
    assert memory.rows == {}


async def test_streams_in_quarantine_are_left_out() -> None:
    writer, memory = opened()
    await writer.apply(memory, news(note(1), note(2)), {ONE})
    assert set(memory.rows) == {TWO}


async def test_many_rows_go_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_writer, "MAX_ROWS", 2)
    writer, memory = opened()
    await writer.apply(memory, news(*(note(n) for n in range(1, 6))))
    assert [len(columns[0]) for columns in memory.sent] == [2, 2, 1]
    assert len(memory.rows) == 5


@pytest.mark.parametrize("bad", [1, 2, 3, 4, 5])
async def test_a_refused_event_stops_its_stream_alone_wherever_it_is(bad: int) -> None:
    writer, memory = opened(bad="nul")
    lines: list[Any] = [note(n) for n in range(1, 6)]
    feed = MemoryFeed(news(*lines))
    written = await feed.head()
    for number, each in enumerate(lines, 1):
        each.extend("nul" if number == bad else "sound")
        each.extend("later")
        feed.add(news(each)[-2:])
    await writer.apply(memory, feed.events[:written])
    found = await writer.apply_carefully(memory, feed.events[written:])
    refused = next(event for event in feed.events[written:] if event.stream_id == UUID(int=bad))
    assert found == [Poison(UUID(int=bad), refused.position, "DataError")]
    assert memory.rows[UUID(int=bad)][1] == f"note {bad}"
    others = {row[1].partition("\n")[2] for id, row in memory.rows.items() if id != UUID(int=bad)}
    assert others == {"sound\nlater"}


async def test_an_error_that_no_event_causes_is_not_searched_for() -> None:
    writer, memory = opened(bad="note", error=psycopg.OperationalError)
    with pytest.raises(psycopg.OperationalError):
        await writer.apply_carefully(memory, news(note(1), note(2)))
    assert len(memory.sent) == 1


async def test_sums_are_sent_in_the_order_of_their_keys() -> None:
    writer = TableWriter(LineTotals())
    memory = Memory(writer.statements)
    events = news(*(Note.write(UUID(int=n), "text") for n in range(9, 0, -1)))
    await writer.apply(cast(Any, memory), events)
    [columns] = memory.sent
    keys = list(zip(*columns[: len(LineTotals.table.key)], strict=True))
    assert keys == sorted(keys)
    assert len(keys) > 2


STORED = Table("shelf", key={"id": "uuid", "n": "bigint"}, columns={"name": "text NOT NULL", "tags": "text[]"})


def test_the_statements_of_a_table() -> None:
    made = Statements(STORED, "shelf__next")
    assert made.fetch == (
        b'SELECT "id", "n", "name", "tags", "position" FROM "read"."shelf__next"'
        b' JOIN unnest(%b::uuid[], %b::bigint[]) AS wanted ("id", "n") USING ("id", "n")'
    )
    assert made.delete == (
        b'DELETE FROM "read"."shelf__next" AS stored USING unnest(%b::uuid[], %b::bigint[]) AS gone ("id", "n")'
        b' WHERE stored."id" = gone."id" AND stored."n" = gone."n"'
    )
    assert made.upsert == (
        b'INSERT INTO "read"."shelf__next" AS stored ("id", "n", "name", "tags", "position")'
        b' SELECT "id", "n", "name", "tags"::text[], "position"'
        b" FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::text[], %b::bigint[])"
        b' AS new ("id", "n", "name", "tags", "position") ON CONFLICT ("id", "n") DO UPDATE'
        b' SET "name" = EXCLUDED."name", "tags" = EXCLUDED."tags", "position" = EXCLUDED."position"'
    )


def test_stored_sums_are_added_to_and_their_position_only_grows() -> None:
    assert Statements(LineTotals.table).upsert.endswith(
        b' DO UPDATE SET "lines" = stored."lines" + EXCLUDED."lines",'
        b' "characters" = stored."characters" + EXCLUDED."characters", "cost" = stored."cost" + EXCLUDED."cost",'
        b' "position" = greatest(stored."position", EXCLUDED."position")'
    )


def test_a_column_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^The column size is money NOT NULL; a read model's columns are one of uuid, "
    ):
        Statements(Table("shelf", key={"id": "uuid"}, columns={"size": "money NOT NULL"}))
