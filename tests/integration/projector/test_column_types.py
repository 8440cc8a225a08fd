"""Every type of column is stored as PostgreSQL itself would store the value, by upsert and by COPY, NULL included."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from application.ports import RecordedEvent
from infra.postgres.projector_connection import connect
from infra.projector.rebuild.bulk_load import BulkLoader
from infra.projector.rebuild.rebuild import rebuild
from infra.projector.schema import create
from infra.projector.statements import Statements, drop_table
from infra.projector.table_writer import TableWriter
from projections.kernel import Change, PersonalData, ReadModel, Row, Table
from tests.support.note import Note
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, dump, news, projecting
from tests.support.servers import Database
from tests.support.stores import rows

TYPES = {
    "identity": "uuid",
    "words": "text",
    "number": "bigint",
    "amount": "numeric",
    "flag": "boolean",
    "moment": "timestamptz",
    "day": "date",
    "data": "bytea",
    "document": "jsonb",
    "texts": "text[]",
    "uuids": "uuid[]",
    "bigints": "bigint[]",
}
SEARCH = "tsvector GENERATED ALWAYS AS (setweight(to_tsvector('english', words), 'A')) STORED"

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
bigint = st.integers(-(2**63), 2**63 - 1)
decimals = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal(value) for value in ("0", "-0", "0.000", "1E+20", "-1.50", "10000", "0.0001", "99999999.99990000")]
)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(-1e20, 1e20) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "identity": st.uuids(),
    "words": text,
    "number": bigint,
    "amount": (bigint | decimals).filter(lambda value: abs(Decimal(value).adjusted()) < 1_000),
    "flag": st.booleans(),
    "moment": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
    "day": st.dates(),
    "data": st.binary(max_size=20),
    "document": json,
    "texts": st.lists(text | st.none(), max_size=4),
    "uuids": st.lists(st.uuids() | st.none(), max_size=4),
    "bigints": st.lists(bigint | st.none(), max_size=4),
}
row = st.fixed_dictionaries({column: st.none() | values for column, values in VALUES.items()})


class AllTypes(ReadModel):
    """Puts the rows that the test gives, event by event, and sets the number of the first one."""

    version = 1
    roots = (Note,)
    personal = PersonalData("what a test writes", "with the database of the test")
    table = Table(
        "all_types",
        key={"id": "bigint"},
        columns={**TYPES, "search": SEARCH},
        indexes=["USING gin (search)", "USING gin (texts)"],
    )

    def __init__(self, given: list[Row]) -> None:
        super().__init__()
        self._given = given

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        if event.position <= len(self._given):
            yield self.table.put(event.position, **self._given[event.position - 1])
        else:
            yield self.table.set(1, number=7)


def plain(database: Database, given: list[Row]) -> list[tuple[Any, ...]]:
    """The rows as text, as psycopg's own parameters and PostgreSQL make them."""
    values = ", ".join(f"%s::{kind}::text" for kind in TYPES.values())
    with psycopg.connect(database.app_url) as connection:
        return [
            connection.execute(
                f"SELECT {values}, (setweight(to_tsvector('english', %s::text), 'A'))::text",
                [*(_parameter(column, each[column]) for column in TYPES), each["words"]],
            ).fetchone()  # type: ignore[misc]
            for each in given
        ]


def _parameter(column: str, value: Any) -> Any:
    return Jsonb(value) if column == "document" and value is not None else value


def stored(database: Database) -> list[tuple[Any, ...]]:
    """The rows as text."""
    columns = ", ".join(f'"{column}"::text' for column in [*TYPES, "search"])
    return rows(database.app_url, f"SELECT {columns} FROM read.all_types ORDER BY id")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(row, min_size=1, max_size=6))
async def test_upsert_and_copy_store_what_postgresql_would(database: Database, given: list[Row]) -> None:
    model, events = AllTypes(given), news(*(note(n) for n in range(1, len(given) + 1)))
    writer, wanted = TableWriter(model), plain(database, given)
    async with await connect(database.app_url) as connection:
        for copied in (False, True):
            await connection.execute(drop_table(model.table.name))
            await connection.execute("DELETE FROM projections")
            await create(connection, writer.statements, model)
            if copied:
                await BulkLoader(writer, MemoryFeed(events), connection).run(0, len(events))
            else:
                await connection.execute(writer.statements.create_key())
                assert await writer.apply(connection, events) == []
            assert stored(database) == wanted
            # What was read is written back as it was.
            keys = [(n,) for n in range(1, len(given) + 1)]
            found = await writer.fetch(connection, keys)
            await writer.store(connection, list(found.items()), [])
            assert stored(database) == wanted


FULL: Row = {
    "identity": UUID(int=5),
    "words": "The cats were running",
    "number": 1,
    "amount": Decimal("12.340"),
    "flag": True,
    "moment": datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC),
    "day": date(2026, 2, 28),
    "data": b"\0\1",
    "document": {"b": [1, 2.5, None], "a": "é"},
    "texts": ["a", 'b"\\{}', "", None, "NULL"],
    "uuids": [UUID(int=1)],
    "bigints": [-1, 2**62],
}
NULLS: Row = dict.fromkeys(TYPES)


async def test_all_types_are_the_same_live_and_rebuilt(database: Database) -> None:
    model, feed = AllTypes([FULL, NULLS]), MemoryFeed(news(note(1), note(2), note(1, "a")))
    async with projecting([model], feed, database.app_url) as running:
        await running.reached()
    live = dump(database.app_url, "all_types")
    assert (await rebuild(model, feed, database.app_url)).differing == 0
    assert dump(database.app_url, "all_types") == live
    found = rows(database.app_url, "SELECT id FROM read.all_types WHERE search @@ to_tsquery('english', 'run & cat')")
    assert found == [(1,)]


async def test_a_difference_in_any_type_is_found(database: Database) -> None:
    model, feed = AllTypes([FULL, NULLS]), MemoryFeed(news(note(1), note(2)))
    async with projecting([model], feed, database.app_url) as running:
        await running.reached()
    for column in TYPES:
        rows(database.admin_url, f"UPDATE read.all_types SET {column} = NULL WHERE id = 1")
        assert (await rebuild(model, feed, database.app_url)).differing == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", 1.5),
        ("amount", Decimal("NaN")),
        ("amount", Decimal("1E+131072")),
        ("amount", Decimal("1E-16384")),
        ("day", datetime(2026, 1, 1, tzinfo=UTC)),
        ("document", {"a": float("nan")}),
        ("document", {"a": UUID(int=1)}),
        ("document", {"a": "\0"}),
        ("texts", [1]),
        ("texts", ["\0"]),
        ("uuids", ["00000000-0000-0000-0000-000000000001"]),
        ("bigints", [1.5]),
        ("bigints", [2**63]),
    ],
)
async def test_a_value_that_cannot_be_stored_is_poison_by_upsert_and_by_copy(
    database: Database, column: str, value: Any
) -> None:
    model, feed = AllTypes([FULL | {column: value}, FULL]), MemoryFeed(news(note(1), note(2)))
    async with projecting([model], feed, database.app_url) as running:
        await running.reached()
    assert rows(database.app_url, "SELECT id FROM read.all_types") == [(2,)]
    done = await rebuild(model, feed, database.app_url)
    assert (done.differing, done.quarantined) == (0, 1)


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="The column a is money"):
        Statements(Table("things", key={"id": "uuid"}, columns={"a": "money"}))
