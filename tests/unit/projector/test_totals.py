"""Sums that several streams change: however events come in batches, they are those of a plain model, to the digit."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports import RecordedEvent
from infra.projector.table_writer import SLOTS, TableWriter, slot_of
from infra.store.partitioner import key_of, partition_of
from projections.kernel import Change, Key, ReadModel, Row, Totals
from tests.support.note import Note
from tests.support.notes import note
from tests.support.projecting import news, recorded
from tests.support.totals import LineTotals

TABLE = Totals("sums", key={"name": "text"}, sums={"count": "bigint", "amount": "numeric"})

bigints = st.integers(-(2**70), 2**70)
amounts = bigints | st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda amount: abs(amount.adjusted()) < 500
)
entries = st.lists(st.tuples(st.integers(1, 6), st.sampled_from("abc"), bigints, amounts), max_size=60)


class Scripted(ReadModel):
    """Adds what the test says, event by event; None fails after its first change."""

    version = 1
    roots = (Note,)
    table = TABLE

    def __init__(self, script: dict[int, list[Change | None]]) -> None:
        super().__init__()
        self._script = script

    def changes(self, event: RecordedEvent) -> Any:
        for change in self._script[event.position]:
            if change is None:
                raise ValueError
            yield change


def events_of(streams: list[int]) -> list[RecordedEvent]:
    """An event of each of these streams."""
    return recorded(*[note(number).pending_events[0] for number in streams])  # type: ignore[arg-type]


def apply(model: ReadModel, table: dict[Key, Row], batch: list[RecordedEvent]) -> None:
    """One batch, as the projector does it: PostgreSQL adds the rows of the fold to the stored ones."""
    fold = TableWriter(model).fold()
    staged = fold.stage(batch)
    assert fold.unknown(staged, whole=True) == []
    fold.fold(staged)
    for key, row in fold.changed():
        assert row is not None
        stored = table.setdefault(key, dict.fromkeys(row, 0))
        for column in row.keys() - {"position"}:
            stored[column] = Fraction(stored[column]) + Fraction(row[column])
        stored["position"] = max(stored["position"], row["position"])


@given(entries, st.lists(st.integers(1, 10), min_size=1, max_size=20))
def test_sums_are_those_of_a_plain_model_however_events_come_in_batches(
    script: list[tuple[int, str, int, int | Decimal]], sizes: list[int]
) -> None:
    model = Scripted({n: [TABLE.add(key, count=i, amount=x)] for n, (_, key, i, x) in enumerate(script, 1)})
    events, table, start = events_of([stream for stream, *_ in script]), dict[Key, Row](), 0
    for size in [*sizes, len(events)]:
        apply(model, table, events[start : start + size])
        start += size
    plain: defaultdict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for _, key, count, amount in script:
        plain[key][0] += Fraction(count)
        plain[key][1] += Fraction(amount)
    summed: defaultdict[str, list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for (key, _), row in table.items():
        summed[key][0] += row["count"]
        summed[key][1] += row["amount"]
    assert summed == plain
    assert {(key, slot_of(UUID(int=stream))) for stream, key, *_ in script} == table.keys()


def test_a_sum_keeps_every_digit() -> None:
    script = [[TABLE.add("a", amount=Decimal(text))] for text in ("1E+60", "0.00000000001", "-0.5", "2.50")]
    fold = TableWriter(Scripted(dict(enumerate(script, 1)))).fold()  # type: ignore[arg-type]
    fold.fold(fold.stage(events_of([1, 1, 1, 1])))
    [row] = fold.rows.values()
    assert row is not None
    assert str(row["amount"]) == "1" + "0" * 59 + "2.00000000001"


def test_an_event_that_fails_half_way_adds_nothing() -> None:
    model = Scripted({1: [TABLE.add("a", count=1)], 2: [TABLE.add("a", count=5), None], 3: [TABLE.add("a", count=7)]})
    fold = TableWriter(model).fold()
    fold.fold(fold.stage(events_of([1, 1, 1])))
    assert [(row["count"], row["position"]) for row in fold.rows.values() if row] == [(1, 1)]
    assert [(poison.position, poison.error) for poison in fold.poisons.values()] == [(2, "ValueError")]


def test_a_sum_beyond_numeric_stops_its_stream_and_adds_nothing() -> None:
    huge = [[TABLE.add("a", amount=1), TABLE.add("b", amount=1)], [TABLE.add("b", amount=1), TABLE.add("a", amount=X)]]
    fold = TableWriter(Scripted(dict(enumerate(huge, 1)))).fold()  # type: ignore[arg-type]
    fold.fold(fold.stage(events_of([1, 1])))
    assert {key[0]: row["amount"] for key, row in fold.rows.items() if row} == {"a": 1, "b": 1}
    assert [poison.error for poison in fold.poisons.values()] == ["Inexact"]


X = Decimal("1E+900000")


def test_one_change_yielded_twice_is_added_twice() -> None:
    change = TABLE.add("a", count=3)
    fold = TableWriter(Scripted({1: [change, change]})).fold()
    fold.fold(fold.stage(events_of([1])))
    assert [row["count"] for row in fold.rows.values() if row] == [6]


@pytest.mark.parametrize(
    "columns",
    [
        {"amount": 0.5},
        {"count": Decimal(1)},
        {"count": True},
        {"amount": Decimal("NaN")},
        {"amount": "1"},
        {"other": 1},
    ],
)
def test_what_cannot_be_added_exactly_is_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        TABLE.add("a", **columns)


def test_a_key_has_all_its_columns() -> None:
    with pytest.raises(TypeError):
        TABLE.add("a", "b", count=1)


@pytest.mark.parametrize(("key", "sums"), [({}, {"n": "bigint"}), ({"k": "text"}, {"n": "double precision"})])
def test_totals_have_a_key_and_exact_sums(key: dict[str, str], sums: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="bad needs a key"):
        Totals("bad", key=key, sums=sums)


@pytest.mark.parametrize("partitions", [1, 2, 4, 8, 16])
def test_projectors_with_different_partitions_have_different_slots(partitions: int) -> None:
    homes: defaultdict[int, set[int]] = defaultdict(set)
    for number in range(1, 1_000):
        homes[slot_of(UUID(int=number))].add(partition_of(key_of(UUID(int=number)), partitions))
    assert len(homes) == SLOTS
    assert all(len(found) == 1 for found in homes.values())


def test_a_stream_that_has_failed_adds_what_came_before() -> None:
    fold = TableWriter(LineTotals()).fold()
    fold.fold(fold.stage(news(note(1, "a", "!raise", "a"))))
    assert {key[0]: row["lines"] for key, row in fold.rows.items() if row} == {"label": 1, "note": 1, "a": 1}
