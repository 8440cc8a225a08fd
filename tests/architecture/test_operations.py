"""Every HTTP operation carries out an action of the access table, and takes that action's scope."""

import pytest

from tests.support.access import CASES, PUBLIC, Case, operations

OPERATIONS = operations()


def test_every_operation_has_a_case_or_takes_no_token() -> None:
    assert {case.operation for case in CASES} | PUBLIC == OPERATIONS.keys()
    assert {name for name, operation in OPERATIONS.items() if not operation.scope} == PUBLIC


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_operation_takes_the_scope_of_its_action(case: Case) -> None:
    assert OPERATIONS[case.operation].scope == case.rule.scope
