"""Tables of read models: which are missing, what is created for them, and what is dropped with one."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest
from psycopg import sql

from application.ports import Unavailable
from infra.postgres.locks import READ_MODEL_TABLES
from infra.projector import schema
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.schema import drop, ensure_tables, require_tables
from infra.projector.statements import Statements
from projections.kernel import PersonalData, read_models
from tests.support import memory_projector
from tests.support.notes import Notes
from tests.support.totals import LineTotals

MODELS = [Notes(), LineTotals()]


class Memory(memory_projector.Connection):
    """A connection that keeps what is executed, with its parameters."""

    def __init__(self) -> None:
        self.executed: list[tuple[str, list[Any]]] = []

    async def execute(self, statement: str | sql.Composed, parameters: Sequence[Any] = ()) -> None:
        text = statement if isinstance(statement, str) else statement.as_string()
        self.executed.append((text, list(parameters)))


class Database:
    """A database with this number of tables that fit."""

    def __init__(self, fitting: int) -> None:
        self.fitting = fitting
        self.asked: list[Any] = []

    async def rows(self, query: str, parameters: Any) -> list[tuple[int]]:
        self.asked.append((query, parameters))
        return [(self.fitting,)]


async def test_every_table_is_asked_for_with_its_version() -> None:
    database = Database(2)
    await require_tables(cast(Any, database), MODELS)
    assert database.asked == [(schema.COUNT, [["notes", "line_totals"], [1, 1]])]


async def test_a_missing_table_is_awaited() -> None:
    with pytest.raises(Unavailable, match="A read model"):
        await require_tables(cast(Any, Database(1)), MODELS)


def exist(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these tables exist."""

    async def read(_: object, wanted: Iterable[str]) -> dict[str, Checkpoint]:
        return {name: Checkpoint(name, 1, 5) for name in wanted if name in names}

    monkeypatch.setattr(PROJECTIONS, "read", read)


async def test_nothing_is_locked_where_all_tables_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    exist(monkeypatch, "notes", "line_totals", "another")
    memory = Memory()
    await ensure_tables(cast(Any, memory), MODELS)
    assert memory.executed == []


async def test_a_missing_table_is_created_with_its_key_and_indexes_under_the_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exist(monkeypatch, "line_totals")
    memory, made = Memory(), Statements(Notes.table)
    await ensure_tables(cast(Any, memory), MODELS)
    assert memory.executed == [
        ("SELECT pg_advisory_xact_lock(%s)", [READ_MODEL_TABLES.key]),
        (schema.CREATE_CHECKPOINT, ["notes", 1]),
        *[(each.as_string(), []) for each in [made.create(), made.create_key(), *made.create_indexes()]],
    ]


async def test_with_a_table_go_its_checkpoint_and_its_quarantine() -> None:
    memory = Memory()
    await drop(cast(Any, memory), "notes")
    assert memory.executed == [
        ('DROP TABLE IF EXISTS "read"."notes"', []),
        (schema.DELETE_CHECKPOINT, ["notes"]),
        (schema.DELETE_PARTITIONS, ["notes"]),
        (schema.DELETE_QUARANTINE, ["notes"]),
    ]


def test_words_of_people_are_not_sampled_where_no_plan_needs_them() -> None:
    personal = PersonalData("-", "-", frozenset({"title", "tags"}), sampled=frozenset({"tags"}))
    found = [each.as_string() for each in Statements(Notes.table).bound_statistics(personal)]
    assert found == [
        'ALTER TABLE "read"."notes" ALTER COLUMN "title" SET STATISTICS 0',
        'ALTER TABLE "read"."notes" SET (autovacuum_analyze_threshold = 0, autovacuum_analyze_scale_factor = 0)',
    ]
    assert Statements(Notes.table).bound_statistics(PersonalData("-", "-")) == []


def test_lists_of_words_that_queries_look_into_are_sampled() -> None:
    """Without statistics PostgreSQL takes each word for a rare one: a list of a common tag took 20 times as long."""
    searched = {
        (model.name, column)
        for model in read_models()
        for column in model.personal.clear
        if f"USING gin ({column})" in model.table.indexes
    }
    assert ("document", "tags") in searched
    assert searched <= {(model.name, column) for model in read_models() for column in model.personal.sampled}
