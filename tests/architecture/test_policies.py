"""Policies are pure functions with tests of their own, and their states hold nothing that a person wrote."""

import inspect
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest

from application.discovery import import_all
from application.policy import POLICIES, Policy
from tests.architecture.test_domain_is_pure import impurities
from tests.support.mirror import REGISTRY

PROJECT = Path(__file__).parents[2]
FILES = sorted(file for file in (PROJECT / "application" / "policies").glob("*.py") if file.stem != "__init__")
UNIT_TESTS = {file.stem for file in (PROJECT / "tests" / "unit").rglob("test_*.py")}
PLAIN = {bool, int, float, Decimal, UUID, date, datetime, timedelta, NoneType}
CONTAINERS = {list, tuple, set, frozenset, dict, Union, UnionType}


def policies() -> list[Policy]:
    """All policies of the application."""
    import_all("application")
    return [*POLICIES.values()]


def other_types(hint: Any) -> Iterator[Any]:
    """The types in a hint that are neither plain values nor containers of them. Texts are plain as Literals only."""
    origin = get_origin(hint)
    if origin is Annotated:
        yield from other_types(get_args(hint)[0])
    elif origin in CONTAINERS:
        for part in get_args(hint):
            yield from () if part is ... else other_types(part)
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        for part in get_type_hints(hint, include_extras=True).values():
            yield from other_types(part)
    elif origin is not Literal and hint not in PLAIN:
        yield hint


class Inner(msgspec.Struct):
    """A part of a state, with a text."""

    title: str


class Outer(msgspec.Struct):
    """A state that is not allowed."""

    ids: set[UUID]
    inner: dict[UUID, list[Inner | None]]
    raw: bytes


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_policy_has_a_unit_test(file: Path) -> None:
    assert f"test_{file.stem}" in UNIT_TESTS


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_policy_reads_no_clock_and_draws_no_lots(file: Path) -> None:
    assert list(impurities(file.read_text())) == []


def test_each_policy_is_in_a_file_of_its_own() -> None:
    found = sorted(Path(inspect.getfile(policy.react)).stem for policy in policies())
    assert found == [file.stem for file in FILES]


def test_the_states_of_policies_hold_ids_and_plain_values() -> None:
    states = {policy.name: policy.state for policy in policies() if policy.state is not None}
    assert {name: [*other_types(state)] for name, state in states.items() if [*other_types(state)]} == {}


def test_the_fields_of_states_have_defaults() -> None:
    for policy in policies():
        if policy.state is not None:
            policy.state()


def test_a_text_in_a_state_is_found() -> None:
    assert [*other_types(Outer)] == [str, bytes]
    assert [*other_types(Annotated[tuple[int, ...] | Literal["a"] | None, "note"])] == []


def test_the_states_of_the_tests_hold_ids_and_plain_values() -> None:
    assert [found for policy in REGISTRY.values() if policy.state for found in other_types(policy.state)] == []
