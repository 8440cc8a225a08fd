"""Public events as columns: every field has a type, and nothing that comes is lost."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from infra.kafka.columns import columns_of, row_of
from infra.kafka.reading import Record
from infra.kafka.topics import AGGREGATES


def record(data: Any, **attributes: str) -> Record:
    headers = [(name, value.encode()) for name, value in attributes.items()]
    return cast(Record, SimpleNamespace(headers=headers, value=msgspec.json.encode(data)))


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_no_public_field_is_left_without_a_type_of_its_own(aggregate: str) -> None:
    columns = columns_of(aggregate)
    assert columns["occurred_at"] == columns["ce_time"] == "moment"
    assert columns["version"] == "integer"
    assert [name for name, kind in columns.items() if kind == "json"] == ["other"]


def test_values_become_what_their_columns_hold() -> None:
    given = record(
        {"version": 2, "occurred_at": "2026-11-22T12:00:00Z", "title_length": None},
        ce_sequence="7",
        ce_time="2026-11-22T12:00:00.5Z",
        content_type="application/json",
    )
    assert row_of(given, columns_of("document")) == {
        "ce_sequence": 7,
        "ce_time": datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC),
        "version": 2,
        "occurred_at": datetime(2026, 11, 22, 12, tzinfo=UTC),
    }


def test_fields_that_a_later_version_adds_are_kept_as_json() -> None:
    row = row_of(record({"version": 1, "tags": ["a"], "ce_id": 3}), columns_of("document"))
    assert row == {"version": 1, "other": '{"tags":["a"],"ce_id":3}'}


@pytest.mark.parametrize("data", [None, 7, ["list"], {"version": "two"}, {"occurred_at": "soon"}])
def test_what_is_no_event_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        row_of(record(data), columns_of("document"))
