"""A read model's rows follow from events alone; however they come in batches, the rows are the same."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports import RecordedEvent
from domain.kernel import Root
from projections.kernel import Change, Fold, Key, ReadModel, Row, Table, read_models
from tests.support.history import History
from tests.support.note import Note
from tests.support.notes import Notes, note
from tests.support.projecting import news, recorded

TYPE = re.compile(
    r"(bigint|boolean|bytea|char|cidr|date|double precision|inet|int|integer|interval|json|jsonb|macaddr|numeric|real|"
    r"smallint|text|time|timestamp|timestamptz|tsquery|tsvector|uuid|varchar)\b"
)
"""What the type of a column begins with (PostgreSQL 18, table 8.1)."""
TABLE = Table("things", key={"id": "uuid"}, columns={"a": "bigint", "b": "text"})
ONE, TWO = UUID(int=1), UUID(int=2)


class Scripted(ReadModel):
    """Does to its rows what the test says, event by event."""

    version = 1
    roots = (Note,)
    table = TABLE

    def __init__(self, *script: list[Change]) -> None:
        super().__init__()
        self._script = script

    def changes(self, event: RecordedEvent):  # type: ignore[no-untyped-def]
        yield from self._script[event.position - 1]


def events_of(count: int) -> list[RecordedEvent]:
    return recorded(*note(1, *["line"] * (count - 1)).pending_events)  # type: ignore[arg-type]


def folded(model: ReadModel, events: list[RecordedEvent], known: dict[Key, Row] | None = None) -> Fold:
    fold = Fold(model)
    staged = fold.stage(events)
    fold.learn(known or {})
    fold.fold(staged)
    return fold


def test_a_put_makes_the_row() -> None:
    fold = folded(Scripted([TABLE.put(ONE, a=1, b="x")]), events_of(1))
    assert fold.rows == {(ONE,): {"a": 1, "b": "x", "position": 1}}


def test_a_set_alters_what_is_there() -> None:
    fold = folded(Scripted([TABLE.set(ONE, b="y")]), events_of(1), {(ONE,): {"a": 1, "b": "x", "position": 0}})
    assert fold.rows == {(ONE,): {"a": 1, "b": "y", "position": 1}}


def test_a_set_of_nothing_is_nothing() -> None:
    fold = folded(Scripted([TABLE.set(ONE, b="y")]), events_of(1))
    assert fold.changed() == []


def test_a_function_makes_a_value_of_the_old_row() -> None:
    fold = folded(
        Scripted(
            [TABLE.put(ONE, a=1, b="x")], [TABLE.set(ONE, a=lambda row: row["a"] + 1, b=lambda row: str(row["a"]))]
        ),
        events_of(2),
    )
    assert fold.rows == {(ONE,): {"a": 2, "b": "1", "position": 2}}


def test_a_drop_removes_the_row_and_a_put_brings_it_back() -> None:
    script = [TABLE.put(ONE, a=1, b="x")], [TABLE.drop(ONE)], [TABLE.put(ONE, a=2, b="y")]
    assert folded(Scripted(*script[:2]), events_of(2)).rows == {(ONE,): None}
    assert folded(Scripted(*script), events_of(3)).rows == {(ONE,): {"a": 2, "b": "y", "position": 3}}


def test_only_rows_that_are_altered_first_must_be_known() -> None:
    fold = Fold(Scripted([TABLE.set(ONE, a=1), TABLE.put(TWO, a=1, b="x"), TABLE.set(TWO, a=2)]))
    staged = fold.stage(events_of(1))
    assert fold.unknown(staged) == [(ONE,)]
    assert fold.unknown(staged, whole=True) == [(ONE,), (TWO,)]


@pytest.mark.parametrize("columns", [{"a": 1}, {"a": 1, "b": "x", "c": 2}])
def test_a_put_takes_every_column_and_no_other(columns: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="a, b"):
        TABLE.put(ONE, **columns)


def test_a_set_takes_no_unknown_column() -> None:
    with pytest.raises(TypeError, match="a, b"):
        TABLE.set(ONE, c=1)


def test_an_event_that_fails_half_way_changes_nothing() -> None:
    known: dict[Key, Row] = {(ONE,): {"a": 1, "b": "x", "position": 0}}
    fold = folded(
        Scripted([TABLE.set(ONE, a=2), TABLE.put(TWO, a=1, b="x"), TABLE.set(ONE, a=_fail)]), events_of(1), known
    )
    assert fold.rows == {(ONE,): {"a": 1, "b": "x", "position": 0}}
    assert fold.changed() == []
    assert [(poison.position, poison.error) for poison in fold.poisons.values()] == [(1, "ZeroDivisionError")]


def _fail(row: Row) -> int:
    return int(row["a"]) // 0


def test_what_a_stream_did_before_it_failed_counts() -> None:
    events = news(note(1, "a", "!raise", "b"))
    fold = folded(Notes(), events)
    [row] = fold.rows.values()
    assert row is not None
    assert (row["lines"], row["position"]) == (2, 2)


def test_streams_in_quarantine_are_left_out() -> None:
    fold = Fold(Notes())
    assert fold.stage(news(note(1)), leave_out={ONE}) == []


@given(st.integers(0, 2**32), st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_rows_do_not_depend_on_how_events_come_in_batches(seed: int, sizes: list[int]) -> None:
    events = recorded(*_news(History(seed), 60))
    for model in read_models():
        at_once = folded(model, events)
        table: dict[Key, Row] = {}
        start = 0
        for size in [*sizes, len(events)]:
            _apply(model, table, events[start : start + size])
            start += size
        assert {key: row for key, row in at_once.rows.items() if row is not None} == table
        assert not at_once.poisons


def _apply(model: ReadModel, table: dict[Key, Row], batch: list[RecordedEvent]) -> None:
    """One batch, as the projector does it: only the rows it asks for are known."""
    fold = Fold(model)
    staged = fold.stage(batch)
    fold.learn({key: dict(table[key]) for key in fold.unknown(staged) if key in table})
    fold.fold(staged)
    for key, row in fold.changed():
        if row is None:
            table.pop(key, None)
        else:
            table[key] = row


def _news(history: History, changes: int) -> list[Root.Event]:
    return [event for roots in history.changes(changes) for root in roots for event in root.collect_events()]  # type: ignore[misc]


def test_every_read_model_is_found() -> None:
    names = [model.name for model in read_models()]
    assert {"document", "document_access", "document_version", "subscription", "team", "team_roster"} <= set(names)
    assert "user_profile" in names
    assert "notes" not in names


def test_every_column_of_a_read_model_has_a_type_that_postgresql_knows() -> None:
    tables = [model.table for model in read_models()]
    types = {type for table in tables for type in {**table.key, **table.columns}.values()}
    assert [type for type in types if not TYPE.match(type)] == []
