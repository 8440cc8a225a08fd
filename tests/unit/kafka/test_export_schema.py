"""Public events as columns: every field has a type, and unknown fields are kept."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from adapters.integration_events.contract import published
from infra.kafka.client.ordered_reader import TopicRecord
from infra.kafka.tools.export_schema import columns_of, row_of

EVENT = {"ce_id": "1", "ce_sequence": "7", "ce_time": "2026-11-22T12:00:00.5Z"}


def record(data: Any, **attributes: str) -> TopicRecord:
    headers = [(name, value.encode()) for name, value in attributes.items()]
    return cast(TopicRecord, SimpleNamespace(headers=headers, value=msgspec.json.encode(data)))


@pytest.mark.parametrize("aggregate", sorted({kind.aggregate() for kind in published().values()}))
def test_no_public_field_is_left_without_a_type_of_its_own(aggregate: str) -> None:
    columns = columns_of(aggregate)
    assert columns["occurred_at"] == columns["ce_time"] == "timestamp"
    assert columns["version"] == "integer"
    assert [name for name, kind in columns.items() if kind == "json"] == ["other"]


def test_values_become_those_of_their_columns() -> None:
    given = record(
        {"version": 2, "occurred_at": "2026-11-22T12:00:00Z", "title_length": None},
        content_type="application/json",
        **EVENT,
    )
    assert row_of(given, columns_of("document")) == {
        "ce_id": "1",
        "ce_sequence": 7,
        "ce_time": datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC),
        "version": 2,
        "occurred_at": datetime(2026, 11, 22, 12, tzinfo=UTC),
    }


def test_fields_that_a_later_version_adds_are_kept_as_json() -> None:
    row = row_of(record({"version": 1, "tags": ["a"], "ce_id": 3}, **EVENT), columns_of("document"))
    assert (row["version"], row["ce_id"], row["other"]) == (1, "1", '{"tags":["a"],"ce_id":3}')


@pytest.mark.parametrize(
    "data",
    [
        None,
        7,
        ["list"],
        {"version": "two"},
        {"version": ["two"]},
        {"version": 2**63},
        {"occurred_at": "soon"},
        {"occurred_at": 7},
        {"occurred_at": "2026-11-22T12:00:00"},
    ],
)
def test_a_record_that_is_no_event_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        row_of(record(data, **EVENT), columns_of("document"))


@pytest.mark.parametrize("lacking", EVENT)
def test_an_event_without_a_required_attribute_is_refused(lacking: str) -> None:
    attributes = {name: value for name, value in EVENT.items() if name != lacking}
    with pytest.raises(ValueError, match=lacking):
        row_of(record({}, **attributes), columns_of("document"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_sequence", "9223372036854775808"),
        ("ce_sequence", "-9223372036854775809"),
        ("ce_sequence", "9" * 5_000),
        ("ce_streamversion", "9223372036854775808"),
        ("ce_time", "2026-11-22T12:00:00"),
        ("ce_time", "0001-01-01T00:00:00+05:00"),
    ],
)
def test_a_value_that_no_column_can_hold_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=r"[a-z]"):
        row_of(record({}, **EVENT | {name: value}), columns_of("document"))


def test_a_header_without_a_value_is_no_attribute() -> None:
    given = record({}, **EVENT)
    given.headers = [*given.headers, ("ce_actorid", cast(bytes, None))]
    assert "ce_actorid" not in row_of(given, columns_of("document"))
