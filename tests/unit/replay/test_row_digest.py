"""Digests of tables: the same rows have the same digest, in any order and form."""

import hashlib
import random
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.projector.statements import KINDS
from infra.replay.row_digest import TableDigest, Unstorable, encoder_of
from projections.kernel import Key, Row, Table
from tests.integration.projector.test_column_types import TYPES, row

Rows = list[tuple[Key, Row]]

TABLE = Table("all_types", key={"id": "bigint"}, columns=TYPES)
SMALL = Table("small", key={"b": "bigint"}, columns={"a": "text", "c": "text NOT NULL"})


def digest(rows: Rows, table: Table = TABLE, size: int = 1_000) -> bytes:
    """The digest of rows that are added `size` at a time."""
    found = TableDigest(table)
    for start in range(0, len(rows), size):
        found.add(rows[start : start + size])
    assert found.rows == len(rows)
    return found.digest()


def numbered(rows: list[Row]) -> Rows:
    return [((number,), {**each, "position": number}) for number, each in enumerate(rows, 1)]


def one(kind: str, value: Any) -> bytes:
    """The encoding of a value, without its length."""
    [found] = encoder_of(kind)([value])
    assert int.from_bytes(found[:4], "big") == len(found) - 4
    return found[4:]


@given(st.lists(row, max_size=6), st.randoms(use_true_random=False), st.integers(1, 7))
def test_rows_may_come_in_any_order(rows: list[Row], chance: random.Random, size: int) -> None:
    given_rows = numbered(rows)
    mixed = list(given_rows)
    chance.shuffle(mixed)
    assert digest(mixed, size=size) == digest(given_rows)


@given(st.lists(row, min_size=1, max_size=4), row, st.sampled_from(sorted(TYPES)))
def test_another_value_in_any_column_is_another_digest(rows: list[Row], other: Row, column: str) -> None:
    before, after = numbered(rows), numbered(rows)
    after[0][1][column] = other[column]
    is_same = encoder_of(TYPES[column])([before[0][1][column]]) == encoder_of(TYPES[column])([other[column]])
    assert (digest(before) == digest(after)) == is_same


@given(row, row)
def test_values_that_two_rows_exchange_make_another_digest(one: Row, other: Row) -> None:
    rows = [((1,), {**one, "position": 1}), ((2,), {**other, "position": 1})]
    exchanged = [((1,), {**other, "position": 1}), ((2,), {**one, "position": 1})]
    is_same = all(encoder_of(kind)([one[name]]) == encoder_of(kind)([other[name]]) for name, kind in TYPES.items())
    assert (digest(rows) == digest(exchanged)) == is_same


def test_a_row_that_is_there_twice_is_seen() -> None:
    rows: Rows = [((1,), {"a": "x", "c": "y", "position": 1})]
    assert len({digest(rows * times, SMALL) for times in range(4)}) == 4


def test_the_digest_is_as_documented() -> None:
    values = {
        ("identity", "uuid"): (UUID(int=5), bytes(15) + b"\x05"),
        ("words", "text"): ("é\n", "é\n".encode()),
        ("number", "bigint"): (-2, b"\xff" * 7 + b"\xfe"),
        ("amount", "numeric"): (Decimal("-12.500"), b"-12.5"),
        ("flag", "boolean"): (True, b"\x01"),
        ("moment", "timestamptz"): (datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC), (10**6).to_bytes(8, "big")),
        ("day", "date"): (date(2000, 1, 3), b"\0\0\0\x02"),
        ("data", "bytea"): (b"\0\x01", b"\0\x01"),
        ("document", "jsonb"): (
            {"b": [1, 2.5, None], "a": 'é"\n\x1f'},
            '{"a":"é\\"\\n\\u001f","b":[1,2.5,null]}'.encode(),
        ),
        ("texts", "text[]"): (["a", None, ""], b"\0\0\0\x01a" + b"\xff" * 4 + bytes(4)),
        ("uuids", "uuid[]"): ([], b""),
        ("bigints", "bigint[]"): ([1], b"\0\0\0\x08" + bytes(7) + b"\x01"),
    }
    encoded = {name: expected for (name, _), (_, expected) in values.items()}
    encoded |= {"id": bytes(7) + b"\x01", "position": bytes(7) + b"\x09"}
    types = dict(values.keys()) | {"id": "bigint", "position": "bigint"}
    names = sorted(types)
    lines = ["palimpsest read model 1", "all_types", *(f"{name} {types[name]}" for name in names), "", ""]
    hashed = hashlib.sha256(b"".join(len(encoded[name]).to_bytes(4, "big") + encoded[name] for name in names))
    expected = hashlib.sha256("\n".join(lines).encode() + hashed.digest()).digest()
    rows: Rows = [((1,), {**{name: value for (name, _), (value, _) in values.items()}, "position": 9})]
    assert digest(rows) == expected
    assert set(types.values()) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "one_way", "other_way"),
    [
        ("numeric", Decimal("1.50"), Decimal("1.5")),
        ("numeric", Decimal("1E+2"), 100),
        ("numeric", Decimal("-0.00"), 0),
        ("jsonb", {"a": 1.0, "b": 2}, {"b": 2, "a": 1}),
        ("jsonb", 1e22, 10**22),
        ("jsonb", -0.0, 0),
        (
            "timestamptz",
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_equal_values_have_one_encoding(kind: str, one_way: Any, other_way: Any) -> None:
    assert one(kind, one_way) == one(kind, other_way)


@pytest.mark.parametrize(
    ("kind", "one_way", "other_way"),
    [
        ("jsonb", "1", 1),
        ("jsonb", [], {}),
        ("jsonb", True, 1),
        ("jsonb", "null", None),
        ("jsonb", [[1], 2], [1, [2]]),
        ("text[]", ["ab"], ["a", "b"]),
        ("text[]", [None], [""]),
        ("text[]", [], None),
        ("text", "", None),
        ("text", "e\u0301", "é"),
        ("numeric", Decimal("0.1"), Decimal("0.10000000000000000000000000000000000001")),
    ],
)
def test_different_values_have_different_encodings(kind: str, one_way: Any, other_way: Any) -> None:
    assert encoder_of(kind)([one_way]) != encoder_of(kind)([other_way])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("words", "a\0"),
        ("words", 5),
        ("words", "\ud800"),
        ("number", 2**63),
        ("number", "1"),
        ("amount", 1.5),
        ("amount", Decimal("NaN")),
        ("amount", Decimal("1E+131072")),
        ("moment", datetime(2026, 1, 1)),  # noqa: DTZ001 - that is the fault
        ("day", datetime(2026, 1, 1, tzinfo=UTC)),
        ("document", {"a": float("nan")}),
        ("document", {"a": "\0"}),
        ("document", {1: "a"}),
        ("document", UUID(int=1)),
        ("texts", ["\0"]),
        ("texts", [1]),
        ("bigints", [1.5]),
    ],
)
def test_what_postgresql_would_refuse_has_no_digest(column: str, value: Any) -> None:
    with pytest.raises(Unstorable, match=rf"all_types\.{column} cannot hold a value"):
        digest([((1,), {**dict.fromkeys(TYPES), column: value, "position": 1})])


def test_null_where_there_must_be_a_value_has_no_digest() -> None:
    with pytest.raises(Unstorable, match=r"small\.c cannot be NULL"):
        digest([((1,), {"a": None, "c": None, "position": 1})], SMALL)
    with pytest.raises(Unstorable, match=r"small\.b cannot be NULL"):
        digest([((None,), {"a": None, "c": "", "position": 1})], SMALL)


def test_name_and_columns_are_part_of_the_digest() -> None:
    tables = [
        Table("one", key={"id": "uuid"}, columns={"a": "text"}),
        Table("other", key={"id": "uuid"}, columns={"a": "text"}),
        Table("one", key={"id": "uuid"}, columns={"b": "text"}),
        Table("one", key={"id": "uuid"}, columns={"a": "bytea"}),
    ]
    assert len({digest([], table) for table in tables}) == 4
    ordered = Table("one", key={"id": "uuid"}, columns={"a": "text", "b": "text"})
    turned = Table("one", key={"id": "uuid"}, columns={"b": "text", "a": "text"})
    assert digest([], ordered) == digest([], turned)
