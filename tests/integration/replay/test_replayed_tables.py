"""Tables of a replay are what a projector makes, and have the digests of a fold without tables."""

from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.ports import RecordedEvent
from infra.postgres.connect import connect as connect_owner
from infra.postgres.projector_connection import connect
from infra.replay import schemas
from infra.replay.certificate import CertifiedTable
from infra.replay.code_version import CodeVersion
from infra.replay.digest_fold import DigestTarget
from infra.replay.fold import fold_streams
from infra.replay.table_digest import table_digests
from infra.replay.table_fold import TableTarget
from projections.kernel import ReadModel, Row
from tests.integration.projector.test_column_types import AllTypes, row
from tests.support.notes import Notes, note
from tests.support.projecting import news
from tests.support.servers import Database
from tests.support.stores import rows
from tests.support.totals import LineTotals

SCHEMA = "replay_test"


@pytest.fixture
def schema(database: Database) -> str:
    """An empty schema for a replay, which is not finished."""
    fresh(database)
    return SCHEMA


def fresh(database: Database) -> None:
    with connect_owner(database.admin_url, autocommit=True) as owner:
        schemas.create(owner, SCHEMA, 0, False, CodeVersion("0.1.0", bytes(32)))


async def streams(*each: Sequence[RecordedEvent]) -> AsyncIterator[list[RecordedEvent]]:
    for events in each:
        yield list(events)


async def replayed(
    database: Database, model: ReadModel, *batches: Sequence[RecordedEvent]
) -> tuple[CertifiedTable, CertifiedTable]:
    """What a certificate would say of the table, and what it says of the fold alone."""
    async with await connect(database.part_url("auditor")) as connection:
        target, digest = TableTarget(model, connection, SCHEMA), DigestTarget(model)
        await target.create()
        await fold_streams(streams(*batches), [target, digest], 0)
        await target.finish()
    [stored] = await table_digests(database.part_url("auditor"), SCHEMA, [model])
    return stored, digest.certified()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(row, min_size=1, max_size=5))
async def test_any_value_has_the_same_digest_in_a_table_and_without(database: Database, given: list[Row]) -> None:
    fresh(database)
    batches = [[event] for event in news(*(note(number) for number in range(1, len(given) + 1)))]
    stored, folded = await replayed(database, AllTypes(given), *batches)
    assert stored == folded
    assert stored.rows == len(given)


async def test_sums_have_the_same_digest_in_a_table_and_without(database: Database, schema: str) -> None:
    batches = [news(note(number, "a", "bb", "a")) for number in range(1, 30)]
    stored, folded = await replayed(database, LineTotals(), *batches)
    assert stored == folded
    assert rows(database.part_url("auditor"), f"SELECT sum(lines) FROM {schema}.line_totals WHERE line = 'a'") == [
        (58,)
    ]


async def test_what_the_fold_or_the_database_refuses_stops_its_stream_alone(database: Database, schema: str) -> None:
    first = news(note(1, "a", "!raise", "b"), note(2, "a", "b", "c"), note(3, "x", "nul: \0", "b"))
    async with await connect(database.part_url("auditor")) as connection:
        target = TableTarget(Notes(), connection, schema)
        await target.create()
        await fold_streams(streams(first, news(note(4, "a"))), [target], 0)
        await target.finish()
    url = database.part_url("auditor")
    found = rows(url, f"SELECT right(id::text, 1)::int, lines FROM {schema}.notes ORDER BY id")
    assert found == [(1, 2), (2, 4), (3, 2), (4, 2)]
    left_out = f"SELECT read_model, right(stream_id::text, 1), error FROM {schema}.quarantine ORDER BY stream_id"
    assert rows(url, left_out) == [("notes", "1", "RuntimeError"), ("notes", "3", "CharacterNotInRepertoire")]
    keys = "SELECT indexname FROM pg_indexes WHERE schemaname = %s ORDER BY 1"
    assert rows(url, keys, schema) == [("notes_1",), ("notes_pkey",)]
